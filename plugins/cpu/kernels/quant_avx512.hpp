// Integer operations of the quantized products in one 512-bit register. quant_scalar.hpp documents them. Compiled with
// VNNI where the set has it, with the pairwise products of AVX-512 BW where not.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "cpu/kernels/packing.hpp"

namespace llorch::cpu::LLORCH_CPU_ISA {

#if defined(LLORCH_CPU_MATRIX_TILES)  // set by the file: compilers name the feature differently
inline constexpr int kQuantTile = 16;
inline constexpr bool kPaddedTiles = true;
#else
inline constexpr int kQuantTile = 12;
inline constexpr bool kPaddedTiles = false;
#endif
inline constexpr int kQuantTileRows = 6;
constexpr int quant_rows(int) {
  return 6;
}
inline constexpr int kQuantGroups = 2;
constexpr int quant_streams(int n_rows) {
  return n_rows <= 2 ? 4 : 2;
}

struct I16 {
  __m512i v;
};
struct Codes {
  __m512i v;
};

inline Codes load_codes(const std::uint8_t* p) {
  return {_mm512_loadu_si512(p)};
}
inline void store_codes(std::uint8_t* p, Codes c) {
  _mm512_storeu_si512(p, c.v);
}
template <int kFrom, int kTo, int kMask>
inline Codes move_bits(Codes c) {
  if constexpr (kFrom > kTo) {
    c.v = _mm512_srli_epi16(c.v, kFrom - kTo);
  } else if constexpr (kFrom < kTo) {
    c.v = _mm512_slli_epi16(c.v, kTo - kFrom);
  }
  return {_mm512_and_si512(c.v, _mm512_set1_epi8(static_cast<char>(kMask << kTo)))};
}
inline Codes operator|(Codes a, Codes b) {
  return {_mm512_or_si512(a.v, b.v)};
}
inline Codes look_up(Codes c) {
  const __m512i table = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(kIq4Codes)));
  return {_mm512_shuffle_epi8(table, c.v)};
}
inline V16 to_float(I16 a) {
  return {_mm512_cvtepi32_ps(a.v)};
}
inline V16 load_bytes(const std::uint8_t* p) {
  return to_float({_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))});
}
inline __m512i broadcast_four(const std::int8_t* x) {
  std::int32_t four;
  __builtin_memcpy(&four, x, sizeof four);
  return _mm512_set1_epi32(four);
}
template <int kShift>
inline I16 start_of_sum(const std::int32_t* negated_sum) {
  if constexpr (kShift < 0) return {_mm512_setzero_si512()};
  return {_mm512_slli_epi32(_mm512_set1_epi32(*negated_sum), kShift < 0 ? 0 : kShift)};
}

#if defined(__AVX512VNNI__)

template <int kBits, int kQuads>
struct Dot {
  using Operand = Codes;
  static Operand prepare(Codes c) { return c; }
  I16 sum;

  template <int kShift>
  void start(const std::int32_t* negated_sum) {
    sum = start_of_sum<kShift>(negated_sum);
  }
  template <int kQuad>
  void step(const Operand& c, const std::int8_t* x) {
    sum.v = _mm512_dpbusd_epi32(sum.v, c.v, broadcast_four(x));
  }
  template <int kShift>
  I16 done(const std::int32_t*) const {
    return sum;
  }
};

#else

/// Sums in pairs of 16 bits, as quant_avx2.hpp explains.
template <int kBits, int kQuads>
struct Dot {
  static constexpr int kMost = kBits <= 4 ? 8 : kBits == 5 ? 4 : 2;
  static constexpr int kRun = kMost < kQuads ? kMost : kQuads;
  using Operand = Codes;
  static Operand prepare(Codes c) { return c; }
  I16 sum;
  __m512i part;

  template <int kShift>
  void start(const std::int32_t* negated_sum) {
    sum = start_of_sum<kShift>(negated_sum);
  }
  template <int kQuad>
  void step(const Operand& c, const std::int8_t* x) {
    const __m512i product = _mm512_maddubs_epi16(c.v, broadcast_four(x));
    part = kQuad % kRun == 0 ? product : _mm512_add_epi16(part, product);
    if constexpr (kQuad % kRun == kRun - 1)
      sum.v = _mm512_add_epi32(sum.v, _mm512_madd_epi16(part, _mm512_set1_epi16(1)));
  }
  template <int kShift>
  I16 done(const std::int32_t*) const {
    return sum;
  }
};

template <int kQuads>
struct Dot<8, kQuads> {
  struct Operand {
    __m512i magnitude;
    __mmask64 negative;
  };
  static Operand prepare(Codes c) {
    const __m512i value = _mm512_xor_si512(c.v, _mm512_set1_epi8(static_cast<char>(0x80)));
    return {_mm512_abs_epi8(value), _mm512_movepi8_mask(value)};
  }
  I16 sum;

  template <int kShift>
  void start(const std::int32_t*) {
    static_assert(kShift == 7);  // the offset went into the operand
    sum = {_mm512_setzero_si512()};
  }
  template <int kQuad>
  void step(const Operand& c, const std::int8_t* x) {
    const __m512i activations = broadcast_four(x);
    const __m512i with_sign = _mm512_mask_sub_epi8(activations, c.negative, _mm512_setzero_si512(), activations);
    const __m512i product = _mm512_maddubs_epi16(c.magnitude, with_sign);
    sum.v = _mm512_add_epi32(sum.v, _mm512_madd_epi16(product, _mm512_set1_epi16(1)));
  }
  template <int kShift>
  I16 done(const std::int32_t*) const {
    return sum;
  }
};

#endif

inline float quantize_block(const float* x, std::int8_t* codes, std::int32_t* sums) {
  const __m512 low = _mm512_loadu_ps(x);
  const __m512 high = _mm512_loadu_ps(x + kLanes);
  const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
  const __m512i largest = _mm512_max_epi32(_mm512_and_si512(_mm512_castps_si512(low), magnitude),
                                           _mm512_and_si512(_mm512_castps_si512(high), magnitude));
  const auto top = static_cast<std::uint32_t>(_mm512_reduce_max_epi32(largest));
  const __m512 inverse = _mm512_set1_ps(inverse_of_largest(top));
  const auto keep = static_cast<__mmask16>(is_quantizable(top) ? 0xffff : 0);
  const __m512i low_codes = _mm512_maskz_cvtps_epi32(keep, _mm512_mul_ps(low, inverse));
  const __m512i high_codes = _mm512_maskz_cvtps_epi32(keep, _mm512_mul_ps(high, inverse));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(codes), _mm512_cvtepi32_epi8(low_codes));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(codes + kLanes), _mm512_cvtepi32_epi8(high_codes));
  sums[0] = _mm512_reduce_add_epi32(low_codes);
  sums[1] = _mm512_reduce_add_epi32(high_codes);
  return scale_of_largest(top);
}

}  // namespace llorch::cpu::LLORCH_CPU_ISA
