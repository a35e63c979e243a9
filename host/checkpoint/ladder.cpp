// Rungs 0 to 8: the ones that compare tapped tensors.
#include "checkpoint/ladder.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <algorithm>

#include "checkpoint/ladder_internal.hpp"

namespace llorch::checkpoint {
namespace {

std::string subject_of(std::uint32_t tap, std::int32_t layer) {
  return layer < 0 ? tap_name(tap) : fmt::format("{}, layer {}", tap_name(tap), layer);
}

/// The reference's tensor of one case against what the tap showed. Empty finding subject: the case does not have it.
Result<Finding> compare_tensor(const Climb& climb, std::size_t case_index, const ReferenceTensor& expected,
                               const Tolerance& tolerance) {
  const ReferenceCase& reference = climb.reference.cases[case_index];
  Finding out{subject_of(expected.tap, expected.layer), 0.0, tolerance.absolute, Verdict::kYes, {}};
  if (((climb.info.taps >> expected.tap) & 1U) == 0) return skipped(out.subject, "the plugin has no such tap");
  const auto wanted = read_npy(expected.file);
  if (!wanted) return wanted.error();
  out.tolerance = tolerance.of(wanted->values);
  const TapRecord::Event* event = climb.records[case_index].only(expected.tap, expected.layer);
  if (event == nullptr) {
    out.verdict = Verdict::kNo;
    out.max_error = std::numeric_limits<double>::infinity();
    out.detail = fmt::format("case {}: {} events for one prompt in one batch, expected 1", reference.name,
                             climb.records[case_index].all(expected.tap, expected.layer).size());
    return out;
  }
  if (event->tensor.dims != wanted->dims) {
    out.verdict = Verdict::kNo;
    out.max_error = std::numeric_limits<double>::infinity();
    out.detail = fmt::format("case {}: shape ({}), the reference has ({}): is this the model of the reference?",
                             reference.name, fmt::join(event->tensor.dims, ", "), fmt::join(wanted->dims, ", "));
    return out;
  }
  const Difference difference = compare(event->tensor.values, wanted->values);
  out.max_error = difference.max_error;
  if (difference.max_error > out.tolerance) {
    out.verdict = Verdict::kNo;
    out.detail = fmt::format("case {}: {}: found {}, expected {}", reference.name,
                             place(difference.index, wanted->dims), difference.actual, difference.expected);
  }
  return out;
}

/// One finding for a tensor over all cases: the worst.
Result<std::optional<Finding>> compare_all(const Climb& climb, std::uint32_t tap, std::int32_t layer,
                                           const Tolerance& tolerance) {
  std::optional<Finding> worst;
  for (std::size_t i = 0; i < climb.reference.cases.size(); ++i) {
    const ReferenceTensor* expected = climb.reference.cases[i].find(tap, layer);
    if (expected == nullptr) continue;
    auto finding = compare_tensor(climb, i, *expected, tolerance);
    if (!finding) return finding.error();
    const auto share = [](const Finding& f) { return f.tolerance > 0.0 ? f.max_error / f.tolerance : f.max_error; };
    if (!worst || share(*finding) > share(*worst)) worst = std::move(*finding);
  }
  return worst;
}

}  // namespace

Result<Rung> tensor_rung(Climb& climb, std::string number, std::string component,
                         const std::vector<std::pair<std::uint32_t, std::int32_t>>& tensors,
                         const Tolerance& tolerance) {
  Rung rung{std::move(number), std::move(component), {}};
  for (const auto& [tap, layer] : tensors) {
    auto finding = compare_all(climb, tap, layer, tolerance);
    if (!finding) return finding.error();
    if (*finding) rung.findings.push_back(std::move(**finding));
  }
  if (rung.findings.empty()) rung.findings.push_back(skipped("-", "the reference has no tensor of this rung"));
  return rung;
}

namespace {

Result<Rung> check_foundation(Climb& climb) {
  Rung rung{"0", "foundation", {}};
  rung.findings.push_back(property("the plugin accepts the model and gives a context", climb.context != nullptr, ""));
  const auto beyond = [&](const ReferenceCase& c) {
    return std::any_of(c.prompt_ids.begin(), c.prompt_ids.end(),
                       [&](std::int32_t id) { return static_cast<std::uint32_t>(id) >= climb.info.vocab_size; });
  };
  for (const ReferenceCase& c : climb.reference.cases) {
    if (beyond(c) || c.prompt_ids.size() > climb.info.max_positions) {
      rung.findings.push_back(property(
          "the reference's prompts fit the model", false,
          fmt::format(
              "case {}: {} ids for a model with {} ids and {} positions: this is not the model of the reference",
              c.name, c.prompt_ids.size(), climb.info.vocab_size, climb.info.max_positions)));
      return rung;
    }
  }
  rung.findings.push_back(property("the reference's prompts fit the model", true, ""));
  if (auto prepared = prepare(climb); !prepared) return prepared.error();
  return rung;
}

Result<Rung> check_norm(Climb& climb) {
  return tensor_rung(climb, "1", "norm", {{LLORCH_TAP_ATTN_NORM, 0}}, climb.tolerances.norm);
}
Result<Rung> check_position(Climb& climb) {
  auto rung = tensor_rung(climb, "1B", "position", {{LLORCH_TAP_EMBED, -1}}, climb.tolerances.embedding);
  if (!rung) return rung;
  auto rotated = tensor_rung(climb, "1B", "position", {{LLORCH_TAP_Q_ROTATED, 0}, {LLORCH_TAP_K_ROTATED, 0}},
                             climb.tolerances.rotated);
  if (!rotated) return rotated;
  if (rung->verdict() == Verdict::kSkipped) return rotated;
  if (rotated->verdict() != Verdict::kSkipped)
    rung->findings.insert(rung->findings.end(), rotated->findings.begin(), rotated->findings.end());
  return rung;
}
Result<Rung> check_qkv(Climb& climb) {
  return tensor_rung(climb, "2", "Q, K, V", {{LLORCH_TAP_Q, 0}, {LLORCH_TAP_K, 0}, {LLORCH_TAP_V, 0}},
                     climb.tolerances.qkv);
}
Result<Rung> check_scores(Climb& climb) {
  return tensor_rung(climb, "4", "attention scores", {{LLORCH_TAP_SCORES, 0}}, climb.tolerances.scores);
}
Result<Rung> check_attention(Climb& climb) {
  return tensor_rung(climb, "5", "attention output", {{LLORCH_TAP_ATTN_OUT, 0}}, climb.tolerances.attention);
}
Result<Rung> check_ffn(Climb& climb) {
  return tensor_rung(climb, "6", "FFN", {{LLORCH_TAP_FFN_NORM, 0}, {LLORCH_TAP_FFN_OUT, 0}}, climb.tolerances.ffn);
}
Result<Rung> check_first_block(Climb& climb) {
  return tensor_rung(climb, "7", "first block", {{LLORCH_TAP_BLOCK_OUT, 0}}, climb.tolerances.block);
}

/// The tolerance of the lowest rung that sees the tensor.
const Tolerance& tolerance_of(const Tolerances& all, std::uint32_t tap, std::int32_t layer) {
  if (layer > 0 || tap == LLORCH_TAP_FINAL_NORM) return all.logits;
  switch (tap) {
    case LLORCH_TAP_EMBED:
      return all.embedding;
    case LLORCH_TAP_ATTN_NORM:
      return all.norm;
    case LLORCH_TAP_Q_ROTATED:
    case LLORCH_TAP_K_ROTATED:
      return all.rotated;
    case LLORCH_TAP_Q:
    case LLORCH_TAP_K:
    case LLORCH_TAP_V:
      return all.qkv;
    case LLORCH_TAP_SCORES:
      return all.scores;
    case LLORCH_TAP_ATTN_OUT:
      return all.attention;
    case LLORCH_TAP_FFN_NORM:
    case LLORCH_TAP_FFN_OUT:
      return all.ffn;
    default:
      return all.block;
  }
}

/// The first tensor in the order of computation that is beyond its component's tolerance.
Result<std::string> locate(const Climb& climb) {
  std::vector<std::pair<std::uint32_t, std::int32_t>> order{{LLORCH_TAP_EMBED, -1}};
  for (std::uint32_t layer = 0; layer < climb.info.n_layers; ++layer) {
    for (const std::uint32_t tap : kBlockOrder)
      order.emplace_back(tap, static_cast<std::int32_t>(layer));
  }
  order.emplace_back(LLORCH_TAP_FINAL_NORM, -1);
  for (const auto& [tap, layer] : order) {
    const Tolerance& tolerance = tolerance_of(climb.tolerances, tap, layer);
    const auto finding = compare_all(climb, tap, layer, tolerance);
    if (!finding) return finding.error();
    if (!*finding || (*finding)->verdict != Verdict::kNo) continue;
    std::string text = fmt::format("{} differs by {:.3g} (tolerance {:.0e}); {}", (*finding)->subject,
                                   (*finding)->max_error, (*finding)->tolerance, (*finding)->detail);
    if (tap == LLORCH_TAP_EMBED)
      text += ". The embedding is read straight from the file: is this the reference's model?";
    return text;
  }
  return std::string();
}

}  // namespace

std::string_view to_string(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::kYes:
      return "yes";
    case Verdict::kNo:
      return "no";
    case Verdict::kSkipped:
      return "skipped";
  }
  return "no";
}

Verdict Rung::verdict() const {
  Verdict out = Verdict::kSkipped;
  for (const Finding& finding : findings) {
    if (finding.verdict == Verdict::kNo) return Verdict::kNo;
    if (finding.verdict == Verdict::kYes) out = Verdict::kYes;
  }
  return out;
}

bool LadderResult::passed() const {
  return std::none_of(rungs.begin(), rungs.end(), [](const Rung& rung) { return rung.verdict() == Verdict::kNo; });
}

Finding skipped(std::string subject, std::string why) {
  return {std::move(subject), 0.0, 0.0, Verdict::kSkipped, std::move(why)};
}

Finding property(std::string subject, bool holds, std::string otherwise) {
  if (holds) return {std::move(subject), 0.0, 0.0, Verdict::kYes, {}};
  return {std::move(subject), std::numeric_limits<double>::infinity(), 0.0, Verdict::kNo, std::move(otherwise)};
}

Result<void> forget(plugin::Context& context, const Climb& climb) {
  for (std::uint32_t seq = 0; seq < climb.params.max_seqs; ++seq) {
    if (auto removed = context.kv_seq_remove(static_cast<std::int32_t>(seq), -1, -1); !removed) return removed;
  }
  return {};
}

Result<void> prepare(Climb& climb) {
  for (const ReferenceCase& c : climb.reference.cases) {
    if (auto empty = forget(*climb.context, climb); !empty) return empty;
    auto record = record_taps(*climb.context, climb.info, c.prompt_ids);
    if (!record) return record.error();
    climb.records.push_back(std::move(*record));
  }
  return forget(*climb.context, climb);
}

Result<LadderResult> climb(const Subject& subject, const Reference& reference, const Tolerances& tolerances,
                           const std::function<void(const Rung&)>& on_rung) {
  Climb state{subject, reference, tolerances, subject.model->info(), {}, nullptr, {}, {}};
  std::size_t longest = 1;
  std::size_t total = 1;
  for (const ReferenceCase& c : reference.cases) {
    longest = std::max(longest, c.prompt_ids.size());
    total = std::max(total, c.prompt_ids.size() + c.greedy_ids.size());
  }
  const std::uint32_t block = state.info.kv_block_tokens;
  state.params.max_seqs = state.has(LLORCH_CAP_MULTI_SEQ) ? 2 : 1;
  state.params.max_tokens =
      state.params.max_seqs *
      static_cast<std::uint32_t>((std::min<std::size_t>(total, state.info.max_positions) / block + 2) * block);
  state.params.max_batch_tokens = static_cast<std::uint32_t>(longest);
  state.params.max_output_rows = static_cast<std::uint32_t>(longest);
  state.params.n_threads = subject.n_threads;
  state.params.kv_dtype_k = subject.kv_dtype_k;
  state.params.kv_dtype_v = subject.kv_dtype_v;
  auto context = subject.model->create_context(state.params);
  if (!context) return context.error();
  state.context = std::move(*context);

  constexpr RungFunction kRungs[] = {check_foundation,  check_norm,        check_position,      check_qkv,
                                     check_kv_cache,    check_scores,      check_attention,     check_ffn,
                                     check_first_block, check_full_logits, check_selected_rows, check_argmax,
                                     check_softmax,     check_end_to_end};
  LadderResult out;
  for (const RungFunction rung_function : kRungs) {
    auto rung = rung_function(state);
    if (!rung) return rung.error();
    if (on_rung) on_rung(*rung);
    out.rungs.push_back(std::move(*rung));
    if (out.rungs.back().verdict() != Verdict::kNo) continue;
    if (!state.records.empty()) {
      auto where = locate(state);
      if (!where) return where.error();
      out.first_difference = std::move(*where);
    }
    if (out.first_difference.empty()) {
      for (const Finding& finding : out.rungs.back().findings) {
        if (finding.verdict != Verdict::kNo) continue;
        out.first_difference = fmt::format("{}: {}", finding.subject, finding.detail);
        break;
      }
    }
    break;
  }
  return out;
}

}  // namespace llorch::checkpoint
