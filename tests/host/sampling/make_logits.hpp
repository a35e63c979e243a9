// Logits for tests, the same on every machine: integer arithmetic only, no distributions of the standard library.
#pragma once

#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace llorch::sampling {

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Bell-shaped around 0, about -`spread` .. `spread`, in steps of spread / 2^10, so ties happen.
inline std::vector<float> make_logits(std::size_t n, std::uint64_t seed, float spread = 8.0F) {
  std::mt19937_64 random(seed);
  std::vector<float> logits(n);
  for (float& x : logits) {
    int sum = 0;
    for (int i = 0; i < 4; ++i) {
      sum += static_cast<int>(random() >> 55) - 256;  // -256 .. 255
    }
    x = static_cast<float>(sum) / 1024.0F * spread;
  }
  return logits;
}

}  // namespace llorch::sampling
