#include "common/rope/rope.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "common/base/failure.hpp"

namespace llorch::common {
namespace {

/// For each pair, how much of its unstretched frequency YaRN keeps: 1 for fast ones, 0 for slow ones.
class YarnRamp {
 public:
  explicit YarnRamp(const RopeSettings& s)
      : low_(std::max(0.0, std::floor(pair_that_turns(s, s.beta_fast)))),
        high_(std::min(static_cast<double>(s.rotated) - 1.0, std::ceil(pair_that_turns(s, s.beta_slow)))) {
    if (high_ <= low_) high_ = low_ + 0.001;
  }
  [[nodiscard]] double kept(double pair) const { return 1.0 - std::clamp((pair - low_) / (high_ - low_), 0.0, 1.0); }

 private:
  /// Index, not rounded, of the pair that turns this many times in the original context.
  static double pair_that_turns(const RopeSettings& s, double times) {
    return static_cast<double>(s.rotated) * std::log(s.original_context / (times * 2.0 * std::numbers::pi)) /
           (2.0 * std::log(s.base));
  }
  double low_, high_;
};

}  // namespace

Rope::Rope(const RopeSettings& s) {
  const bool yarn = s.scaling == RopeSettings::Scaling::kYarn;
  for (std::int64_t i = 0; i < s.rotated / 2; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(s.rotated);
    float frequency = 1.0f / static_cast<float>(std::pow(s.base, static_cast<double>(exponent)));
    if (!s.divisors.empty()) frequency /= s.divisors[static_cast<std::size_t>(i)];
    if (s.scaling == RopeSettings::Scaling::kLinear) frequency /= static_cast<float>(s.factor);
    if (yarn) {
      const double kept = YarnRamp(s).kept(static_cast<double>(i)) * s.extrapolation;
      frequency = static_cast<float>(double{frequency} / s.factor * (1.0 - kept) + double{frequency} * kept);
    }
    if (!std::isfinite(frequency)) {
      fail(LLORCH_BAD_MODEL, "rotary positions: pair ", i, " has no finite frequency (base ", s.base, ", factor ",
           s.factor, s.divisors.empty() ? ")" : ", divided by rope_freqs.weight)");
    }
    frequencies_.push_back(frequency);
  }
  if (yarn) {
    const double magnitude = s.extrapolation != 0.0 && s.factor > 1.0 ? 1.0 + 0.1 * std::log(s.factor) : 1.0;
    scale_ = static_cast<float>(s.attention_factor * magnitude);
  }
}

void Rope::angles(std::int64_t position, float* cosines, float* sines) const {
  for (std::size_t i = 0; i < frequencies_.size(); ++i) {
    // The product is rounded to f32 as in training; the functions are not.
    const double angle = static_cast<float>(position) * frequencies_[i];
    const float cosine = static_cast<float>(std::cos(angle)) * scale_;
    const float sine = static_cast<float>(std::sin(angle)) * scale_;
    cosines[2 * i] = cosines[2 * i + 1] = cosine;
    sines[2 * i] = -sine;
    sines[2 * i + 1] = sine;
  }
}

Turn Rope::turn(std::int64_t delta) const {
  std::vector<float> cosines;
  std::vector<float> sines;
  for (const float frequency : frequencies_) {
    const double angle = static_cast<float>(delta) * frequency;
    cosines.push_back(static_cast<float>(std::cos(angle)));
    sines.push_back(static_cast<float>(std::sin(angle)));
  }
  return {std::move(cosines), std::move(sines)};
}

}  // namespace llorch::common
