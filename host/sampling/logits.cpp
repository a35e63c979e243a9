// The pure functions on one row of logits: argmax, check, log-probabilities.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "sampling/numerics.hpp"
#include "sampling/sampler.hpp"

namespace llorch::sampling {
namespace {

/// What one pass over the logits tells.
struct Scan {
  float largest = -std::numeric_limits<float>::infinity();
  bool bad = false;  ///< NaN or +inf among them
};

/// Lanes let the compiler vectorise; neither answer depends on the order.
Scan scan(std::span<const float> logits) {
  constexpr std::size_t kLanes = 16;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  float best[kLanes];
  std::uint32_t bad[kLanes] = {};
  std::fill(std::begin(best), std::end(best), -kInfinity);
  const auto look = [&](float x, std::size_t lane) {
    best[lane] = x > best[lane] ? x : best[lane];
    bad[lane] |= x < kInfinity ? 0U : 1U;  // NaN compares false with everything
  };
  std::size_t i = 0;
  for (; i + kLanes <= logits.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      look(logits[i + lane], lane);
    }
  }
  for (; i < logits.size(); ++i) {
    look(logits[i], 0);
  }
  return {*std::max_element(std::begin(best), std::end(best)),
          std::any_of(std::begin(bad), std::end(bad), [](std::uint32_t b) { return b != 0; })};
}

}  // namespace

std::int32_t argmax(std::span<const float> logits) {
  const float best = scan(logits).largest;
  return static_cast<std::int32_t>(std::find(logits.begin(), logits.end(), best) - logits.begin());
}

Result<void> check_logits(std::span<const float> logits) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const Scan seen = scan(logits);
  if (seen.bad) {
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
  const double max = scan(logits).largest;
  // Sums of blocks in a fixed order; the block's weights stay in the first-level cache.
  double sum = 0;
  double weights[kSumBlock];
  for (std::size_t i = 0; i < logits.size(); i += kSumBlock) {
    const std::size_t n = std::min(kSumBlock, logits.size() - i);
    for (std::size_t j = 0; j < n; ++j) {
      weights[j] = exp_nonpositive(static_cast<double>(logits[i + j]) - max);
    }
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
