// Activations as int8 codes with a scale for each 32 columns.
#pragma once

#include <cstdint>
#include <cstring>

#include "cpu/kernels/packing.hpp"

namespace llorch::cpu::LLORCH_CPU_ISA {

// The largest magnitude of a block decides, given as the bits of a float so that a number that is none counts as
// largest.
inline constexpr std::uint32_t kInfinityBits = 0x7f800000u;
inline constexpr std::uint32_t kTiniestBits = 0x0d800000u;  // 2^-100: its block is zero

inline bool is_quantizable(std::uint32_t largest) {
  return largest >= kTiniestBits && largest < kInfinityBits;
}
inline float float_of_bits(std::uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}
/// 127 / largest, or 0 where the codes are to be 0.
inline float inverse_of_largest(std::uint32_t largest) {
  return is_quantizable(largest) ? 127.0f / float_of_bits(largest) : 0.0f;
}
/// largest / 127; 0 for a block of zeros; not a number where the block holds infinities or numbers that are none, so
/// that they show in the products.
inline float scale_of_largest(std::uint32_t largest) {
  if (is_quantizable(largest)) return float_of_bits(largest) / 127.0f;
  return largest < kTiniestBits ? 0.0f : float_of_bits(0x7fc00000u);
}

}  // namespace llorch::cpu::LLORCH_CPU_ISA
