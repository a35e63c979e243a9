// Where top-p cuts a distribution, in linear time and without sorting it.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "sampling/selection.hpp"

namespace llorch::sampling {

/// The last element of a nucleus in the ranking (larger logit first, ties to the lower index).
struct NucleusEnd {
  float logit = 0.0F;
  std::size_t index = 0;
  [[nodiscard]] bool holds(float other, std::size_t at) const {
    return other > logit || (other == logit && at <= index);
  }
};

/// The shortest prefix of the ranking whose weights sum to at least `target`, the element that crosses it included; at
/// least one element, all when rounding leaves the sum short. The ranking is cut into buckets of similar logits; whole
/// buckets are added first (in each, in order of indices), only the bucket in which the sum crosses is sorted.
class Nucleus {
 public:
  /// logits, weights: (n), n >= 1, no NaN, weights not negative and rising with the logits.
  [[nodiscard]] NucleusEnd end(std::span<const float> logits, std::span<const double> weights, double target);

 private:
  std::vector<double> sums_;       // scratch: weight of each bucket
  std::vector<Candidate> inside_;  // scratch: the bucket that crosses; `token` is the index
};

}  // namespace llorch::sampling
