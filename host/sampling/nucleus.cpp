#include "sampling/nucleus.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>

namespace llorch::sampling {
namespace {

constexpr unsigned kBucketBits = 12;  // sign, exponent and 3 bits of mantissa: logits of a bucket differ by at most 1/8

/// Rises with the logit: the bits of positive floats do, those of negative ones fall. -0 and 0 are one logit.
std::size_t bucket_of(float logit) {
  const auto bits = std::bit_cast<std::uint32_t>(logit == 0.0F ? 0.0F : logit);
  const std::uint32_t ordered = (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
  return ordered >> (32 - kBucketBits);
}

}  // namespace

NucleusEnd Nucleus::end(std::span<const float> logits, std::span<const double> weights, double target) {
  sums_.assign(std::size_t{1} << kBucketBits, 0.0);
  std::size_t lowest = sums_.size();
  std::size_t highest = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const std::size_t bucket = bucket_of(logits[i]);
    sums_[bucket] += weights[i];
    lowest = std::min(lowest, bucket);
    highest = std::max(highest, bucket);
  }
  double sum = 0;
  std::size_t crossing = highest;
  for (; crossing > lowest && sum + sums_[crossing] < target; --crossing) {
    sum += sums_[crossing];
  }
  inside_.clear();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (bucket_of(logits[i]) == crossing) inside_.push_back({static_cast<std::int32_t>(i), logits[i]});
  }
  std::sort(inside_.begin(), inside_.end(), ranks_before);
  // Never empty: an empty bucket adds nothing, so the sum does not cross in it, and the lowest one holds something.
  const Candidate* last = nullptr;
  for (const Candidate& candidate : inside_) {
    last = &candidate;
    sum += weights[static_cast<std::size_t>(candidate.token)];
    if (sum >= target) break;
  }
  return {last->logit, static_cast<std::size_t>(last->token)};
}

}  // namespace llorch::sampling
