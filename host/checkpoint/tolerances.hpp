// How far a value may lie from the reference: the tolerances of docs/checkpoints.md.
#pragma once

#include <span>

#include "model_file/model_file.hpp"

namespace llorch::checkpoint {

/// `absolute`, and `relative` times the root mean square of what is expected.
struct Tolerance {
  double absolute = 0.0, relative = 0.0;
  constexpr Tolerance(double absolute_part, double relative_part = 0.0)  // NOLINT(google-explicit-constructor)
      : absolute(absolute_part), relative(relative_part) {}
  /// For a whole tensor; its infinities (masked scores) do not count.
  [[nodiscard]] double of(std::span<const float> expected) const;
};

/// One for each component. The defaults are those of f32 arithmetic on weights that are computed as they are stored.
struct Tolerances {
  Tolerance norm = 1e-5;  ///< of the first block: before the first product
  Tolerance embedding = 1e-5;
  Tolerance rotated = 1e-5;     ///< queries and keys after rotation
  Tolerance later_norm = 1e-5;  ///< of the test suites; the ladder holds these norms to `ffn` and `logits`
  Tolerance qkv = 1e-4, scores = 1e-4, attention = 1e-4, ffn = 1e-4, block = 1e-4;
  Tolerance logits = 1e-3;         ///< and every tensor of the later layers
  Tolerance probabilities = 1e-6;  ///< absolute

  /// Activations are rounded for the products: ids that lie this close in the reference may change places.
  [[nodiscard]] bool rounds_activations() const { return logits.relative > 0.0; }
};

/// What a comparison with another program on the same file leaves to chance: llorch's mean error and KL divergence are
/// at most this many times the other's. Over a hundred rows the figures of two programs that round alike differ by the
/// noise of their roundings (docs/checkpoints.md).
inline constexpr double kBaselineMargin = 1.2;

/// For products of weights in quantized blocks with activations in blocks of 32 codes of 8 bits (docs/quantization.md).
/// The types share them: what is added is the rounding of the activations, and that does not depend on the weights'
/// type.
[[nodiscard]] Tolerances quantized_tolerances();

/// Those of the file: `quantized_tolerances()` where any of its matrices is quantized.
[[nodiscard]] Tolerances tolerances_for(const model_file::ModelFile& file);

}  // namespace llorch::checkpoint
