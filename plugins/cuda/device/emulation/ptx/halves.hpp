// Numbers as devices have them: halves by the definition of IEEE 754, value by value, and the one NaN that they
// compute.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace llorch::cuda::ptx {

template <class T>
T canonical(T value) {
  if constexpr (std::is_same_v<T, float>) {
    if (std::isnan(value)) return std::bit_cast<float>(0x7fffffffu);
  }
  return value;
}

inline float value_of_half(std::uint16_t bits) {
  const int exponent = bits >> 10u & 31u;
  const auto fraction = static_cast<float>(bits & 1023u);
  float value = 0;
  if (exponent == 31) {
    value = fraction == 0 ? std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
  } else {
    value = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(fraction + 1024, exponent - 25);
  }
  return (bits & 0x8000u) != 0 ? -value : value;
}
/// To nearest, ties to even.
inline std::uint16_t nearest_half(float value) {
  const std::uint16_t sign = std::signbit(value) ? 0x8000u : 0;
  if (std::isnan(value)) return 0x7fffu;  // canonical, as cvt gives it
  const float size = std::fabs(value);
  if (size >= 65520.0f) return sign | 0x7c00u;
  if (size == 0) return sign;
  const int exponent = std::max(std::ilogb(size), -14);
  const auto steps = static_cast<unsigned>(std::nearbyintf(std::ldexp(size, 10 - exponent)));  // 0..2048
  return static_cast<std::uint16_t>(sign + (static_cast<unsigned>(exponent + 14) << 10u) + steps);
}
}  // namespace llorch::cuda::ptx
