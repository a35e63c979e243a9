// Integer operations of the quantized products in two 256-bit registers. quant_scalar.hpp documents them.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "cpu/kernels/packing.hpp"

namespace llorch::cpu::LLORCH_CPU_ISA {

inline constexpr int kQuantTile = 4;
inline constexpr bool kPaddedTiles = false;
inline constexpr int kQuantTileRows = 4;
/// Codes whose sums take few registers: four rows; else two.
constexpr int quant_rows(int bits) {
  return bits <= 4 ? 4 : 2;
}
inline constexpr int kQuantGroups = 1;
constexpr int quant_streams(int n_rows) {
  return n_rows == 1 ? 4 : n_rows == 2 ? 2 : 1;
}

struct I16 {
  __m256i lo, hi;
};
struct Codes {
  __m256i lo, hi;
};

inline Codes load_codes(const std::uint8_t* p) {
  const auto* v = reinterpret_cast<const __m256i*>(p);
  return {_mm256_loadu_si256(v), _mm256_loadu_si256(v + 1)};
}
inline void store_codes(std::uint8_t* p, Codes c) {
  auto* v = reinterpret_cast<__m256i*>(p);
  _mm256_storeu_si256(v, c.lo);
  _mm256_storeu_si256(v + 1, c.hi);
}
template <int kFrom, int kTo, int kMask>
inline __m256i move_bits(__m256i c) {
  if constexpr (kFrom > kTo) {
    c = _mm256_srli_epi16(c, kFrom - kTo);
  } else if constexpr (kFrom < kTo) {
    c = _mm256_slli_epi16(c, kTo - kFrom);
  }
  return _mm256_and_si256(c, _mm256_set1_epi8(static_cast<char>(kMask << kTo)));
}
template <int kFrom, int kTo, int kMask>
inline Codes move_bits(Codes c) {
  return {move_bits<kFrom, kTo, kMask>(c.lo), move_bits<kFrom, kTo, kMask>(c.hi)};
}
inline Codes operator|(Codes a, Codes b) {
  return {_mm256_or_si256(a.lo, b.lo), _mm256_or_si256(a.hi, b.hi)};
}
inline Codes look_up(Codes c) {
  const __m256i table = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(kIq4Codes)));
  return {_mm256_shuffle_epi8(table, c.lo), _mm256_shuffle_epi8(table, c.hi)};
}
inline V16 to_float(I16 a) {
  return {_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)};
}
inline V16 load_bytes(const std::uint8_t* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return to_float({_mm256_cvtepi8_epi32(bytes), _mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8))});
}

/// Products of unsigned codes and signed activations, summed in pairs of 16 bits. Codes of less than 8 bits leave room
/// for kRun such sums; codes of 8 bits would leave none, so they are multiplied as signed numbers.
template <int kBits, int kQuads>
struct Dot {
  static constexpr int kMost = kBits <= 4 ? 8 : kBits == 5 ? 4 : 2;  // kMost * 2 * 127 * code <= 32767
  static constexpr int kRun = kMost < kQuads ? kMost : kQuads;
  using Operand = Codes;
  static Operand prepare(Codes c) { return c; }
  I16 sum;
  __m256i part_lo, part_hi;

  template <int kShift>
  void start(const std::int32_t*) {}
  template <int kQuad>
  void step(const Operand& c, const std::int8_t* x) {
    std::int32_t four;
    __builtin_memcpy(&four, x, sizeof four);
    const __m256i activations = _mm256_set1_epi32(four);
    const __m256i lo = _mm256_maddubs_epi16(c.lo, activations);
    const __m256i hi = _mm256_maddubs_epi16(c.hi, activations);
    part_lo = kQuad % kRun == 0 ? lo : _mm256_add_epi16(part_lo, lo);
    part_hi = kQuad % kRun == 0 ? hi : _mm256_add_epi16(part_hi, hi);
    if constexpr (kQuad % kRun == kRun - 1) {
      const __m256i ones = _mm256_set1_epi16(1);
      const I16 run = {_mm256_madd_epi16(part_lo, ones), _mm256_madd_epi16(part_hi, ones)};
      sum = kQuad < kRun ? run : I16{_mm256_add_epi32(sum.lo, run.lo), _mm256_add_epi32(sum.hi, run.hi)};
    }
  }
  /// The offset comes last: no register waits for the end of the sum with it.
  template <int kShift>
  I16 done(const std::int32_t* negated_sum) const {
    if constexpr (kShift < 0) return sum;
    const __m256i offset = _mm256_slli_epi32(_mm256_set1_epi32(*negated_sum), kShift < 0 ? 0 : kShift);
    return {_mm256_add_epi32(sum.lo, offset), _mm256_add_epi32(sum.hi, offset)};
  }
};

template <int kQuads>
struct Dot<8, kQuads> {
  /// |w| and w for w = code - 128: |w| * (x with the sign of w) stays within 128 * 127, and two of them within 16 bits.
  struct Operand {
    Codes magnitude, value;
  };
  static Operand prepare(Codes c) {
    const __m256i flip = _mm256_set1_epi8(static_cast<char>(0x80));
    const Codes value = {_mm256_xor_si256(c.lo, flip), _mm256_xor_si256(c.hi, flip)};
    return {{_mm256_abs_epi8(value.lo), _mm256_abs_epi8(value.hi)}, value};
  }
  I16 sum;

  template <int kShift>
  void start(const std::int32_t*) {
    static_assert(kShift == 7);  // the offset went into the operand
  }
  template <int kQuad>
  void step(const Operand& c, const std::int8_t* x) {
    std::int32_t four;
    __builtin_memcpy(&four, x, sizeof four);
    const __m256i activations = _mm256_set1_epi32(four);
    const __m256i ones = _mm256_set1_epi16(1);
    const __m256i lo = _mm256_maddubs_epi16(c.magnitude.lo, _mm256_sign_epi8(activations, c.value.lo));
    const __m256i hi = _mm256_maddubs_epi16(c.magnitude.hi, _mm256_sign_epi8(activations, c.value.hi));
    const I16 run = {_mm256_madd_epi16(lo, ones), _mm256_madd_epi16(hi, ones)};
    sum = kQuad == 0 ? run : I16{_mm256_add_epi32(sum.lo, run.lo), _mm256_add_epi32(sum.hi, run.hi)};
  }
  template <int kShift>
  I16 done(const std::int32_t*) const {
    return sum;
  }
};

inline float quantize_block(const float* x, std::int8_t* codes, std::int32_t* sums) {
  const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
  __m256 values[4];
  __m256i largest = _mm256_setzero_si256();
  LLORCH_UNROLL
  for (int i = 0; i < 4; ++i) {
    values[i] = _mm256_loadu_ps(x + 8 * i);
    largest = _mm256_max_epi32(largest, _mm256_and_si256(_mm256_castps_si256(values[i]), magnitude));
  }
  __m128i four = _mm_max_epi32(_mm256_castsi256_si128(largest), _mm256_extracti128_si256(largest, 1));
  four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0xb1));
  const auto top = static_cast<std::uint32_t>(_mm_cvtsi128_si32(four));
  const __m256 inverse = _mm256_set1_ps(inverse_of_largest(top));
  const __m256i keep = _mm256_set1_epi32(is_quantizable(top) ? -1 : 0);
  __m256i rounded[4];
  LLORCH_UNROLL
  for (int i = 0; i < 4; ++i)
    rounded[i] = _mm256_and_si256(_mm256_cvtps_epi32(_mm256_mul_ps(values[i], inverse)), keep);
  const __m256i sum_low = _mm256_add_epi32(rounded[0], rounded[1]);
  const __m256i sum_high = _mm256_add_epi32(rounded[2], rounded[3]);
  __m256i both = _mm256_hadd_epi32(sum_low, sum_high);
  both = _mm256_hadd_epi32(both, both);
  const __m128i pair = _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
  sums[0] = _mm_cvtsi128_si32(pair);
  sums[1] = _mm_extract_epi32(pair, 1);
  const __m256i low = _mm256_packs_epi32(rounded[0], rounded[1]);
  const __m256i high = _mm256_packs_epi32(rounded[2], rounded[3]);
  const __m256i bytes =
      _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes), bytes);
  return scale_of_largest(top);
}

}  // namespace llorch::cpu::LLORCH_CPU_ISA
