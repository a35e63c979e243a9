// Rotary positions: each pair of neighbouring components of a head turns by position times the pair's frequency.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace llorch::common {

/// How frequencies are made: base^(-2 i / rotated) for pair i, then divided, then scaled.
struct RopeSettings {
  enum class Scaling : std::uint8_t { kNone, kLinear, kYarn };

  std::int64_t rotated = 0;     ///< components of a head that turn, its first ones: even
  double base = 10000.0;        ///< theta
  std::vector<float> divisors;  ///< (rotated / 2), or empty: of the frequencies (Llama-3)
  Scaling scaling = Scaling::kNone;
  double factor = 1.0;  ///< linear, YaRN: the trained context is stretched this much
  // YaRN (Peng et al., arXiv:2309.00071): pairs that turn more than beta_fast times in the original context keep their
  // frequency, those below beta_slow are stretched, those between change over.
  double original_context = 0.0;
  double beta_fast = 32.0, beta_slow = 1.0;
  double extrapolation = 1.0;     ///< share of the unstretched frequency where it applies; 0 makes YaRN linear
  double attention_factor = 1.0;  ///< of the rotated vectors, beyond YaRN's own 1 + 0.1 ln(factor)
};

/// Turns keys of rotary models when their positions change: component 2 i of a head with 2 i + 1, i < n_pairs.
struct KeyRotation {
  const float* cosines;  // (n_pairs)
  const float* sines;    // (n_pairs)
  std::int64_t n_pairs;
};

/// Cosines and sines of one rotation without scale, for KvBook::shift().
class Turn {
 public:
  Turn(std::vector<float> cosines, std::vector<float> sines) : cosines_(std::move(cosines)), sines_(std::move(sines)) {}
  [[nodiscard]] KeyRotation view() const {
    return {cosines_.data(), sines_.data(), static_cast<std::int64_t>(cosines_.size())};
  }

 private:
  std::vector<float> cosines_, sines_;
};

/// [any-thread] once constructed.
class Rope {
 public:
  /// BAD_MODEL: settings that make no finite frequency.
  explicit Rope(const RopeSettings& settings);

  [[nodiscard]] std::int64_t rotated() const { return 2 * static_cast<std::int64_t>(frequencies_.size()); }
  /// Radians per position of each pair, in f32 as in the code that trained these models.
  [[nodiscard]] const std::vector<float>& frequencies() const { return frequencies_; }
  /// Of every rotated component.
  [[nodiscard]] float scale() const { return scale_; }

  /// One position as tables (rotated): each pair's cosine twice, its sine as -sin, sin.
  void angles(std::int64_t position, float* cosines, float* sines) const;
  [[nodiscard]] Turn turn(std::int64_t delta) const;

 private:
  std::vector<float> frequencies_;  // (rotated / 2)
  float scale_ = 1.0f;
};

}  // namespace llorch::common
