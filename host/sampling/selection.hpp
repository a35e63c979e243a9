// The k best of many logits without sorting them all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace llorch::sampling {

struct Candidate {
  std::int32_t token = 0;
  float logit = 0.0F;
};

/// The total order of every selection: larger logit first, ties to the lowest id.
[[nodiscard]] inline bool ranks_before(const Candidate& a, const Candidate& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
}

/// Fills `out` with the k best of `logits` (its index is the token id) in unspecified order; time O(n + k), whatever k.
/// Because the order is total, the set is the same with every standard library. logits: (vocab), no NaN; k >= 1.
void select_best(std::span<const float> logits, std::size_t k, std::vector<Candidate>& out);

}  // namespace llorch::sampling
