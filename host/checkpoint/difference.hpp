// "Matches the reference? Yes or no": the comparison behind every checkpoint.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace llorch::checkpoint {

/// The worst element. Equal infinities differ by 0; an infinity or NaN against anything else differs by infinity.
struct Difference {
  double max_error = 0.0;
  double mean_error = 0.0;  ///< over the elements that are finite on both sides
  std::size_t index = 0;    ///< of the worst element
  float actual = 0.0F, expected = 0.0F;
};

/// Both spans have the same length.
[[nodiscard]] Difference compare(std::span<const float> actual, std::span<const float> expected);

/// How far the predictions of some rows lie from the reference's.
struct Agreement {
  double max_error = 0.0, mean_error = 0.0;  ///< of the logits
  double kl = 0.0;                           ///< KL(reference, found) of the probabilities, in nats: the mean over rows
  std::size_t rows = 0, same_best = 0;       ///< rows, and those with the reference's most likely token
};

/// Both spans hold rows of `width` logits; as many in either, and none that is infinite.
[[nodiscard]] Agreement agreement(std::span<const float> actual, std::span<const float> expected, std::size_t width);

/// "element 1234 (row 20, column 34)": where an index lies in a tensor of these dims.
[[nodiscard]] std::string place(std::size_t index, std::span<const std::uint64_t> dims);

/// softmax(logits) in float64, the maximum subtracted first.
[[nodiscard]] std::vector<double> softmax(std::span<const float> logits);

}  // namespace llorch::checkpoint
