// The pure functions on one row of logits: argmax, check, log-probabilities.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "sampling/numerics.hpp"
#include "sampling/rows.hpp"
#include "sampling/sampler.hpp"

namespace llorch::sampling {
std::int32_t argmax(std::span<const float> logits) {
  const float best = scan_row(logits).largest;
  return static_cast<std::int32_t>(std::find(logits.begin(), logits.end(), best) - logits.begin());
}

Result<void> check_logits(std::span<const float> logits) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const RowScan seen = scan_row(logits);
  if (!seen.sound) {
    const auto it = std::find_if(logits.begin(), logits.end(), [](float x) { return !(x < kInfinity); });
    return make_error(ErrorCode::kInternal,
                      fmt::format("logits: expected finite numbers or -inf, found {} for token {}",
                                  std::isnan(*it) ? "NaN" : "+inf", it - logits.begin()));
  }
  if (seen.largest == -kInfinity) {
    return make_error(
        ErrorCode::kInternal,
        fmt::format("logits: expected at least one finite number, found -inf for all {} tokens", logits.size()));
  }
  return {};
}

Logprobs compute_logprobs(std::span<const float> logits, std::int32_t chosen, std::uint32_t top) {
  const double max = scan_row(logits).largest;
  // Sums of blocks in a fixed order; the block's weights stay in the first-level cache.
  double sum = 0;
  double weights[kSumBlock];
  for (std::size_t i = 0; i < logits.size(); i += kSumBlock) {
    const std::size_t n = std::min(kSumBlock, logits.size() - i);
    weigh_row(logits.subspan(i, n), max, 1.0, weights);
    sum += block_sum({weights, n});
  }
  const double log_sum = log_positive(sum);
  const auto logprob = [&](float logit) { return static_cast<float>((static_cast<double>(logit) - max) - log_sum); };

  Logprobs result;
  result.chosen = {chosen, logprob(logits[static_cast<std::size_t>(chosen)])};
  if (top > 0) {
    std::vector<Candidate> best;
    select_best(logits, top, best);
    std::sort(best.begin(), best.end(), ranks_before);
    result.top.reserve(best.size());
    for (const Candidate& c : best) {
      result.top.push_back({c.token, logprob(c.logit)});
    }
  }
  return result;
}

}  // namespace llorch::sampling
