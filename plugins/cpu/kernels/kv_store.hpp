// Keys and values on their way into a cache of a narrower type.
#pragma once

#include <cstdint>
#include <cstring>

#include "cpu/kernels/types.hpp"

namespace llorch::cpu::LLORCH_CPU_ISA {

inline void narrow(const float* x, std::int64_t n, F16* out) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    store(out + i, load(x + i));
  for (; i < n; ++i)
    out[i] = narrow_one(x[i]);
}

/// The form of GGUF's Q8_0. Codes are made with the scale as it is stored, so that its rounding costs nothing.
inline void quantize_part(const float* x, std::int64_t n, F16* scale, std::int8_t* codes) {
  constexpr float kLargestCode = 127.0f;
  constexpr float kRound = 0x1.8p+23f;  // adding it rounds to an integer, which its low bits then hold
  std::uint32_t largest_bits = 0;       // compared as bits, so that a number that is none counts as largest
  for (std::int64_t i = 0; i < n; ++i) {
    std::uint32_t bits;
    std::memcpy(&bits, x + i, sizeof bits);
    bits &= 0x7fffffffu;
    largest_bits = bits > largest_bits ? bits : largest_bits;
  }
  float largest;
  std::memcpy(&largest, &largest_bits, sizeof largest);
  F16 stored = narrow_one(largest / kLargestCode);
  // Only where f16 is coarse: the scale was rounded down so far that the largest code would round beyond 127.
  if (largest > 0.0f && largest >= (kLargestCode + 0.5f) * widen_one(stored)) ++stored.bits;
  const bool representable = stored.bits < 0x7c00u;
  if (!representable) stored.bits = 0x7e00u;
  *scale = stored;
  const float divisor = widen_one(stored);
  if (!representable || divisor == 0.0f) {
    for (std::int64_t i = 0; i < n; ++i)
      codes[i] = 0;
    return;
  }
  for (std::int64_t i = 0; i < n; ++i) {
    const float rounded = x[i] / divisor + kRound;
    std::int32_t bits;
    std::memcpy(&bits, &rounded, sizeof bits);
    codes[i] = static_cast<std::int8_t>(bits);
  }
}

}  // namespace llorch::cpu::LLORCH_CPU_ISA
