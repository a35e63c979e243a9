// Sixteen lanes in plain C++: the reference that the vector sets are tested against, and the set for other machines.
#pragma once

#include <cstdint>
#include <cstring>

#include "cpu/kernels/types.hpp"

namespace llorch::cpu::LLORCH_CPU_ISA {

/// Accumulators that the matmul and attention tiles may hold.
inline constexpr int kAccumulators = 6;
inline constexpr int kTileTokens = 6;

struct V16 {
  float lane[kLanes];
};

inline std::uint32_t bits_of(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}
inline float float_of(std::uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

template <class F>
inline V16 each_lane(F f) {
  V16 r;
  for (int i = 0; i < kLanes; ++i)
    r.lane[i] = f(i);
  return r;
}

inline float widen_one(float x) {
  return x;
}
inline float widen_one(Bf16 x) {
  return float_of(static_cast<std::uint32_t>(x.bits) << 16);
}
inline float widen_one(F16 x) {
  const std::uint32_t sign = static_cast<std::uint32_t>(x.bits & 0x8000u) << 16;
  const std::uint32_t magnitude = x.bits & 0x7fffu;
  if (magnitude >= 0x7c00u) {  // infinite, or not a number: quiet, as the hardware makes it
    const std::uint32_t quiet = magnitude > 0x7c00u ? 0x00400000u : 0u;
    return float_of(sign | 0x7f800000u | quiet | (magnitude & 0x3ffu) << 13);
  }
  if (magnitude < 0x0400u) {  // zero or subnormal: the integer times 2^-24 is exact
    return float_of(sign | bits_of(static_cast<float>(magnitude) * 0x1p-24f));
  }
  return float_of(sign | ((magnitude << 13) + 0x38000000u));
}

inline float widen_one(std::int8_t x) {
  return static_cast<float>(x);
}
/// To nearest, ties to even; too large becomes infinite, a number that is none stays none and turns quiet.
inline F16 narrow_one(float x) {
  const std::uint32_t bits = bits_of(x);
  const std::uint32_t sign = bits >> 16 & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  std::uint32_t half = 0x7c00u;
  if (magnitude > 0x7f800000u) {
    half |= 0x0200u | (magnitude >> 13 & 0x3ffu);
  } else if (magnitude < 0x38800000u) {  // below 2^-14: 0.5 has the spacing of f16's subnormals
    half = bits_of(float_of(magnitude) + 0.5f) - 0x3f000000u;
  } else if (magnitude < 0x477ff000u) {  // below 65520
    half = (magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u)) >> 13;
  }
  return {static_cast<std::uint16_t>(sign | half)};
}

template <class T>
inline V16 load(const T* p) {
  return each_lane([&](int i) { return widen_one(p[i]); });
}
inline V16 load_first(const float* p, int n) {
  return each_lane([&](int i) { return i < n ? p[i] : 0.0f; });
}
inline void store(float* p, V16 a) {
  std::memcpy(p, a.lane, sizeof a.lane);
}
inline void store_first(float* p, V16 a, int n) {
  std::memcpy(p, a.lane, sizeof(float) * static_cast<std::size_t>(n));
}
inline void store(F16* p, V16 a) {
  for (int i = 0; i < kLanes; ++i)
    p[i] = narrow_one(a.lane[i]);
}
inline V16 splat(float x) {
  return each_lane([&](int) { return x; });
}
inline V16 fma(V16 a, V16 b, V16 c) {
  return each_lane([&](int i) { return __builtin_fmaf(a.lane[i], b.lane[i], c.lane[i]); });
}
inline V16 add(V16 a, V16 b) {
  return each_lane([&](int i) { return a.lane[i] + b.lane[i]; });
}
inline V16 sub(V16 a, V16 b) {
  return each_lane([&](int i) { return a.lane[i] - b.lane[i]; });
}
inline V16 mul(V16 a, V16 b) {
  return each_lane([&](int i) { return a.lane[i] * b.lane[i]; });
}
inline V16 div(V16 a, V16 b) {
  return each_lane([&](int i) { return a.lane[i] / b.lane[i]; });
}
/// a > b ? a : b, hence b where either is not a number: what the hardware's instruction does.
inline V16 max(V16 a, V16 b) {
  return each_lane([&](int i) { return a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]; });
}
inline V16 min(V16 a, V16 b) {
  return each_lane([&](int i) { return a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]; });
}
inline V16 abs(V16 a) {
  return each_lane([&](int i) { return float_of(bits_of(a.lane[i]) & 0x7fffffffu); });
}
/// The first n lanes of a, zero in the others.
inline V16 keep_first(V16 a, int n) {
  return each_lane([&](int i) { return i < n ? a.lane[i] : 0.0f; });
}
/// The first n lanes of a, those of b in the others.
inline V16 first_or(V16 a, int n, V16 b) {
  return each_lane([&](int i) { return i < n ? a.lane[i] : b.lane[i]; });
}
/// Lanes of a where x < 0, of b elsewhere.
inline V16 select_negative(V16 x, V16 a, V16 b) {
  return each_lane([&](int i) { return x.lane[i] < 0.0f ? a.lane[i] : b.lane[i]; });
}
/// Lanes 2 i and 2 i + 1 exchanged.
inline V16 swap_pairs(V16 a) {
  return each_lane([&](int i) { return a.lane[i ^ 1]; });
}
/// p * 2^n where n is the integer in the low bits of z = n + 1.5 * 2^23; the result must be a normal number.
inline V16 scale_by_power(V16 p, V16 z) {
  return each_lane([&](int i) { return float_of(bits_of(p.lane[i]) + (bits_of(z.lane[i]) << 23)); });
}
/// Pairs lanes at distance 8, then 4, 2, 1.
inline float sum_lanes(V16 a) {
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i)
      a.lane[i] = a.lane[i] + a.lane[i + half];
  }
  return a.lane[0];
}
inline float max_lanes(V16 a) {
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i)
      a.lane[i] = a.lane[i] > a.lane[i + half] ? a.lane[i] : a.lane[i + half];
  }
  return a.lane[0];
}
inline void prefetch(const void* p) {
  __builtin_prefetch(p, 0, 2);
}

}  // namespace llorch::cpu::LLORCH_CPU_ISA
