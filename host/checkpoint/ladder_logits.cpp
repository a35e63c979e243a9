// Rung 8: the later blocks and the logits, and what they mean for the probabilities where another program is known.
#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "checkpoint/ladder_internal.hpp"

namespace llorch::checkpoint {
namespace {

/// The rows of a case that its reference holds, one behind the other.
Result<std::vector<float>> logits_of(Climb& climb, const ReferenceCase& c) {
  if (auto empty = forget(*climb.context, climb); !empty) return empty.error();
  const auto rows = feed(*climb.context, c.prompt_ids, 0, Wanted::kAll);
  if (!rows) return rows.error();
  std::vector<float> out;
  for (std::uint32_t i = 0; i < rows->size(); ++i) {
    const bool wanted =
        c.logits_rows.empty() || std::find(c.logits_rows.begin(), c.logits_rows.end(), i) != c.logits_rows.end();
    if (wanted) out.insert(out.end(), (*rows)[i].begin(), (*rows)[i].end());
  }
  return out;
}

/// Mean error and KL divergence are at most those of the other program, but for the noise of the roundings.
void against_baseline(const ReferenceCase& c, const Agreement& found, Rung& rung) {
  const Baseline& other = *c.baseline;
  const auto hold = [&](std::string_view what, double value, double theirs) {
    const double limit = theirs * kBaselineMargin;
    Finding finding{fmt::format("{}, {} ({}: {:.2e})", c.name, what, other.program, theirs),
                    value,
                    limit,
                    value <= limit ? Verdict::kYes : Verdict::kNo,
                    {}};
    if (finding.verdict == Verdict::kNo)
      finding.detail = fmt::format("{} {:.3e}, {} shows {:.3e}", what, value, other.program, theirs);
    rung.findings.push_back(std::move(finding));
  };
  hold("mean error", found.mean_error, other.mean_error);
  hold("KL divergence", found.kl, other.kl);
  rung.findings.push_back(
      skipped(fmt::format("{}: same best token {} of {} ({}: {:.0f})", c.name, found.same_best, found.rows,
                          other.program, other.same_best * static_cast<double>(found.rows)),
              "reported only"));
}

}  // namespace

Result<Rung> check_full_logits(Climb& climb) {
  std::vector<std::pair<std::uint32_t, std::int32_t>> tensors;
  for (std::uint32_t layer = 1; layer < climb.info.n_layers; ++layer) {
    for (const std::uint32_t tap : kBlockOrder)
      tensors.emplace_back(tap, static_cast<std::int32_t>(layer));
  }
  tensors.emplace_back(LLORCH_TAP_FINAL_NORM, -1);
  auto rung = tensor_rung(climb, "8", "full logits", tensors, climb.tolerances.logits);
  if (!rung) return rung;
  // The tap of the logits is not asked: what forward() returns is what counts.
  Finding worst = skipped("logits", "the reference has no logits");
  for (const ReferenceCase& c : climb.reference.cases) {
    if (!c.logits) continue;
    const auto expected = read_npy(*c.logits);
    if (!expected) return expected.error();
    const auto actual = logits_of(climb, c);
    if (!actual) return actual.error();
    if (actual->size() != expected->values.size()) {
      worst = property("logits", false,
                       fmt::format("case {}: {} logits, the reference has {}: is this the model of the reference?",
                                   c.name, actual->size(), expected->values.size()));
      break;
    }
    const Difference difference = compare(*actual, expected->values);
    const double tolerance = climb.tolerances.logits.of(expected->values);
    const bool fits = difference.max_error <= tolerance;
    if (worst.verdict == Verdict::kSkipped || difference.max_error * worst.tolerance > worst.max_error * tolerance) {
      worst = {"logits", difference.max_error, tolerance, fits ? Verdict::kYes : Verdict::kNo, {}};
      if (!fits) {
        worst.detail = fmt::format("case {}: {}: found {}, expected {}", c.name,
                                   place(difference.index, expected->dims), difference.actual, difference.expected);
      }
    }
    if (c.baseline) against_baseline(c, agreement(*actual, expected->values, climb.info.vocab_size), *rung);
  }
  rung->findings.push_back(std::move(worst));
  return rung;
}

}  // namespace llorch::checkpoint
