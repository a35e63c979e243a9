// Rungs 3 and 9: what the cache keeps, and which rows come back. Exact, whatever the numbers are.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstring>

#include "checkpoint/ladder_internal.hpp"

namespace llorch::checkpoint {
namespace {

constexpr std::size_t kMostIds = 64;  // enough to cross chunks and cache blocks, few enough for a large model

/// A prompt of moderate length: the longest case, cut.
std::vector<std::int32_t> moderate_prompt(const Climb& climb) {
  const auto longest = std::max_element(
      climb.reference.cases.begin(), climb.reference.cases.end(),
      [](const ReferenceCase& a, const ReferenceCase& b) { return a.prompt_ids.size() < b.prompt_ids.size(); });
  std::vector<std::int32_t> ids = longest->prompt_ids;
  ids.resize(std::min({ids.size(), kMostIds, std::size_t{climb.params.max_batch_tokens}}));
  return ids;
}

Result<std::string> range_text(plugin::Context& context, std::int32_t seq) {
  const auto range = context.kv_seq_range(seq);
  if (!range) return range.error();
  return *range ? fmt::format("{}..{}", (*range)->first, (*range)->second) : std::string("empty");
}

/// The steps of rung 3. Each starts from empty sequences and compares with `whole`, the prompt in one call.
class KvSteps {
 public:
  KvSteps(Climb& climb, Rung& rung)
      : climb_(climb), rung_(rung), context_(*climb.context), ids_(moderate_prompt(climb)) {}

  Result<void> run() {
    auto whole = fresh(ids_, Wanted::kAll);
    if (!whole) return whole.error();
    whole_ = std::move(*whole);
    const auto range = range_text(context_, 0);
    if (!range) return range.error();
    const std::string expected = fmt::format("0..{}", ids_.size() - 1);
    rung_.findings.push_back(
        property("positions held after prefill", *range == expected, fmt::format("{}, expected {}", *range, expected)));
    for (const auto step : {&KvSteps::chunks, &KvSteps::remove_and_replay, &KvSteps::copy, &KvSteps::shift,
                            &KvSteps::save_and_load, &KvSteps::interleave, &KvSteps::threads}) {
      if (auto done = (this->*step)(); !done) return done;
    }
    return forget(context_, climb_);
  }

 private:
  Result<Rows> fresh(std::span<const std::int32_t> ids, Wanted wanted, std::int32_t seq = 0,
                     std::uint32_t chunk = 1U << 30U) {
    if (auto empty = forget(context_, climb_); !empty) return empty.error();
    return feed(context_, ids, 0, wanted, seq, chunk);
  }
  [[nodiscard]] Rows last_row() const { return {whole_.back()}; }

  Result<void> chunks() {
    for (const std::uint32_t chunk : {1U, 3U}) {
      const auto rows = fresh(ids_, Wanted::kAll, 0, chunk);
      if (!rows) return rows.error();
      rung_.findings.push_back(same_bytes(
          chunk == 1 ? "token by token = one call" : fmt::format("chunks of {} = one call", chunk), *rows, whole_));
    }
    return {};
  }

  Result<void> remove_and_replay() {
    const std::string subject = "tail removed and computed again";
    if (!climb_.has(LLORCH_CAP_KV_PARTIAL_REMOVE) || ids_.size() < 2) return skip(subject);
    if (auto rows = fresh(ids_, Wanted::kNone); !rows) return rows.error();
    const std::size_t keep = ids_.size() / 2;
    if (auto removed = context_.kv_seq_remove(0, static_cast<std::int32_t>(keep), -1); !removed) return removed;
    const auto rows = feed(context_, std::span(ids_).subspan(keep), static_cast<std::int32_t>(keep), Wanted::kLast);
    if (!rows) return rows.error();
    rung_.findings.push_back(same_bytes(subject, *rows, last_row()));
    return {};
  }

  Result<void> copy() {
    const std::string subject = "copied prefix continues like its source";
    if (climb_.params.max_seqs < 2 || ids_.size() < 2) return skip(subject);
    const auto prefix = static_cast<std::int32_t>(ids_.size() - 1);
    if (auto rows = fresh(std::span(ids_).first(ids_.size() - 1), Wanted::kNone); !rows) return rows.error();
    if (auto copied = context_.kv_seq_copy(0, 1, 0, prefix); !copied) return copied;
    // The copy goes another way first; the source must not notice.
    const std::int32_t other = ids_.front();
    if (auto rows = feed(context_, std::span(&other, 1), prefix, Wanted::kNone, 1); !rows) return rows.error();
    const auto source = feed(context_, std::span(ids_).last(1), prefix, Wanted::kLast, 0);
    if (!source) return source.error();
    if (auto removed = context_.kv_seq_remove(1, -1, -1); !removed) return removed;
    if (auto copied = context_.kv_seq_copy(0, 1, 0, prefix); !copied) return copied;
    auto rows = feed(context_, std::span(ids_).last(1), prefix, Wanted::kLast, 1);
    if (!rows) return rows.error();
    rows->push_back(source->back());
    rung_.findings.push_back(same_bytes(subject, *rows, {whole_.back(), whole_.back()}));
    return {};
  }

  /// There and back. Rotary keys are rounded by each rotation, so only the positions must be exact for them; what a row
  /// computes then is held to the tolerance of the logits.
  Result<void> shift() {
    const std::string subject = "shifted there and back";
    if (!climb_.has(LLORCH_CAP_KV_SHIFT) || ids_.size() < 2 || ids_.size() >= climb_.info.max_positions) {
      return skip(subject);
    }
    if (auto rows = fresh(std::span(ids_).first(ids_.size() - 1), Wanted::kNone); !rows) return rows.error();
    if (auto shifted = context_.kv_seq_shift(0, -1, -1, 1); !shifted) return shifted;
    const auto range = range_text(context_, 0);
    if (!range) return range.error();
    const std::string expected = fmt::format("1..{}", ids_.size() - 1);
    rung_.findings.push_back(property("positions held after a shift by 1", *range == expected,
                                      fmt::format("{}, expected {}", *range, expected)));
    if (auto shifted = context_.kv_seq_shift(0, -1, -1, -1); !shifted) return shifted;
    const auto rows =
        feed(context_, std::span(ids_).last(1), static_cast<std::int32_t>(ids_.size() - 1), Wanted::kLast);
    if (!rows) return rows.error();
    Finding finding = same_bytes(subject, *rows, last_row());
    const bool rotary = ((climb_.info.taps >> LLORCH_TAP_K_ROTATED) & 1U) != 0;
    const double tolerance = climb_.tolerances.logits.of(whole_.back());
    if (rotary && finding.verdict == Verdict::kNo && finding.max_error <= tolerance) {
      finding = {subject, finding.max_error, tolerance, Verdict::kYes, {}};
    }
    rung_.findings.push_back(std::move(finding));
    return {};
  }

  Result<void> save_and_load() {
    const std::string subject = "saved and loaded";
    if (!climb_.has(LLORCH_CAP_KV_SAVE) || ids_.size() < 2) return skip(subject);
    if (auto rows = fresh(std::span(ids_).first(ids_.size() - 1), Wanted::kNone); !rows) return rows.error();
    const auto state = context_.kv_seq_save(0);
    if (!state) return state.error();
    if (auto empty = forget(context_, climb_); !empty) return empty;
    const auto seq = static_cast<std::int32_t>(climb_.params.max_seqs - 1);
    if (auto loaded = context_.kv_seq_load(seq, *state); !loaded) return loaded;
    const auto rows =
        feed(context_, std::span(ids_).last(1), static_cast<std::int32_t>(ids_.size() - 1), Wanted::kLast, seq);
    if (!rows) return rows.error();
    rung_.findings.push_back(same_bytes(subject, *rows, last_row()));
    return {};
  }

  Result<void> interleave() {
    const std::string subject = "two sequences in one batch = each alone";
    if (climb_.params.max_seqs < 2 || !climb_.has(LLORCH_CAP_MIXED_BATCH) || ids_.size() < 2) return skip(subject);
    if (auto empty = forget(context_, climb_); !empty) return empty;
    Rows first;
    Rows second;
    for (std::size_t i = 0; i < ids_.size(); ++i) {  // the second sequence runs the prompt backwards
      const std::int32_t tokens[] = {ids_[i], ids_[ids_.size() - 1 - i]};
      const std::int32_t positions[] = {static_cast<std::int32_t>(i), static_cast<std::int32_t>(i)};
      const std::int32_t seqs[] = {0, 1};
      const std::uint32_t flags[] = {LLORCH_OUTPUT_LOGITS, LLORCH_OUTPUT_LOGITS};
      const auto output = context_.forward(tokens, positions, seqs, flags);
      if (!output) return output.error();
      first.emplace_back(output->row(0).begin(), output->row(0).end());
      second.emplace_back(output->row(1).begin(), output->row(1).end());
    }
    const std::vector<std::int32_t> backwards(ids_.rbegin(), ids_.rend());
    const auto alone = fresh(backwards, Wanted::kAll);
    if (!alone) return alone.error();
    Rows expected = whole_;
    expected.insert(expected.end(), alone->begin(), alone->end());
    first.insert(first.end(), second.begin(), second.end());
    rung_.findings.push_back(same_bytes(subject, first, expected));
    return {};
  }

  Result<void> threads() {
    plugin::ContextParams params = climb_.params;
    params.n_threads = params.n_threads == 1 ? 2 : 1;
    const auto other = climb_.subject.model->create_context(params);
    if (!other) return other.error();
    const auto rows = feed(**other, ids_, 0, Wanted::kAll);
    if (!rows) return rows.error();
    rung_.findings.push_back(
        same_bytes(fmt::format("{} threads = {}", params.n_threads, climb_.params.n_threads), *rows, whole_));
    return {};
  }

  Result<void> skip(const std::string& subject) {
    rung_.findings.push_back(
        skipped(subject, "the plugin does not offer it, or the reference's prompts are too short"));
    return {};
  }

  Climb& climb_;
  Rung& rung_;
  plugin::Context& context_;
  std::vector<std::int32_t> ids_;
  Rows whole_;
};

}  // namespace

Finding same_bytes(std::string subject, const Rows& actual, const Rows& expected) {
  if (actual.size() != expected.size()) {
    return property(std::move(subject), false, fmt::format("{} rows, expected {}", actual.size(), expected.size()));
  }
  for (std::size_t row = 0; row < actual.size(); ++row) {
    const bool same = actual[row].size() == expected[row].size() &&
                      std::memcmp(actual[row].data(), expected[row].data(), actual[row].size() * sizeof(float)) == 0;
    if (same) continue;
    const Difference difference = compare(actual[row], expected[row]);
    Finding out = property(std::move(subject), false,
                           fmt::format("row {}, element {}: found {}, expected {}", row, difference.index,
                                       difference.actual, difference.expected));
    out.max_error = difference.max_error;
    return out;
  }
  return property(std::move(subject), true, "");
}

Result<Rung> check_kv_cache(Climb& climb) {
  Rung rung{"3", "KV cache", {}};
  if (auto done = KvSteps(climb, rung).run(); !done) return done.error();
  return rung;
}

Result<Rung> check_selected_rows(Climb& climb) {
  Rung rung{"9", "selected logits", {}};
  const std::vector<std::int32_t> ids = moderate_prompt(climb);
  const auto rows_of = [&](Wanted wanted) -> Result<Rows> {
    if (auto empty = forget(*climb.context, climb); !empty) return empty.error();
    return feed(*climb.context, ids, 0, wanted);
  };
  const auto all = rows_of(Wanted::kAll);
  if (!all) return all.error();
  const auto last = rows_of(Wanted::kLast);
  if (!last) return last.error();
  const auto none = rows_of(Wanted::kNone);
  if (!none) return none.error();
  rung.findings.push_back(same_bytes("last row alone = last of all", *last, {all->back()}));
  rung.findings.push_back(property("none requested, none given", none->empty(), fmt::format("{} rows", none->size())));
  return rung;
}

}  // namespace llorch::checkpoint
