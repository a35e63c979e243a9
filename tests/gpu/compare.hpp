// Two runs of logits beside each other.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace llorch::gpu_check {

/// Largest difference over the largest magnitude of `expected`. Throws std::runtime_error where sizes differ, where a
/// number of either is not finite, or where all that is expected is zero.
double relative(const std::vector<float>& found, const std::vector<float>& expected);

/// Root of the mean square of the differences over that of `expected`; of all numbers, and the median of rows of
/// `width`: what most rows have, where a few are rounded to another integer on their way. Throws as relative().
struct RootMeanSquare {
  double all = 0, median_row = 0;
};
RootMeanSquare relative_rms(const std::vector<float>& found, const std::vector<float>& expected, std::size_t width);

/// Of two lists of one length; infinite where one of them has a number that is not finite.
double largest_difference(const std::vector<float>& a, const std::vector<float>& b);

/// Throws std::runtime_error unless both have the same bytes: rows of `width`, found[0] being row `first_row` of
/// expected. `what` begins the message, which names the first row that differs, how many do and by how much.
void require_same(const std::vector<float>& found, const std::vector<float>& expected, std::size_t first_row,
                  std::size_t width, const std::string& what);

/// Throws std::runtime_error naming `what` unless the n numbers are finite and not all equal.
void require_logits(const float* logits, std::size_t n, const std::string& what);

}  // namespace llorch::gpu_check
