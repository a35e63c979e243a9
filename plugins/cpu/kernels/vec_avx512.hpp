// Sixteen lanes in one 512-bit register. Same operations, same bits as vec_scalar.hpp, which documents them.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "cpu/kernels/types.hpp"

namespace llorch::cpu::LLORCH_CPU_ISA {

inline constexpr int kAccumulators = 24;  // of 32 registers; weights and the broadcast activation take the rest
inline constexpr int kTileTokens = 12;

struct V16 {
  __m512 v;
};

inline __mmask16 first_lanes(int n) {
  return static_cast<__mmask16>((1u << n) - 1u);
}

inline V16 load(const float* p) {
  return {_mm512_loadu_ps(p)};
}
inline V16 load(const F16* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
inline V16 load(const Bf16* p) {
  const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(wide, 16))};
}
inline V16 load(const std::int8_t* p) {
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
}
inline V16 load_first(const float* p, int n) {
  return {_mm512_maskz_loadu_ps(first_lanes(n), p)};
}
inline void store(float* p, V16 a) {
  _mm512_storeu_ps(p, a.v);
}
inline void store(F16* p, V16 a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT));
}
inline void store_first(float* p, V16 a, int n) {
  _mm512_mask_storeu_ps(p, first_lanes(n), a.v);
}
inline float widen_one(float x) {
  return x;
}
inline float widen_one(F16 x) {
  return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(x.bits)));
}
inline float widen_one(Bf16 x) {
  return _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(static_cast<int>(static_cast<std::uint32_t>(x.bits) << 16))));
}
inline F16 narrow_one(float x) {
  const __m128i half = _mm_cvtps_ph(_mm_set_ss(x), _MM_FROUND_TO_NEAREST_INT);
  return {static_cast<std::uint16_t>(_mm_extract_epi16(half, 0))};
}
inline V16 splat(float x) {
  return {_mm512_set1_ps(x)};
}
inline V16 fma(V16 a, V16 b, V16 c) {
  return {_mm512_fmadd_ps(a.v, b.v, c.v)};
}
inline V16 add(V16 a, V16 b) {
  return {_mm512_add_ps(a.v, b.v)};
}
inline V16 sub(V16 a, V16 b) {
  return {_mm512_sub_ps(a.v, b.v)};
}
inline V16 mul(V16 a, V16 b) {
  return {_mm512_mul_ps(a.v, b.v)};
}
inline V16 div(V16 a, V16 b) {
  return {_mm512_div_ps(a.v, b.v)};
}
inline V16 max(V16 a, V16 b) {
  return {_mm512_max_ps(a.v, b.v)};
}
inline V16 min(V16 a, V16 b) {
  return {_mm512_min_ps(a.v, b.v)};
}
inline V16 abs(V16 a) {
  return {_mm512_abs_ps(a.v)};
}
inline V16 keep_first(V16 a, int n) {
  return {_mm512_maskz_mov_ps(first_lanes(n), a.v)};
}
inline V16 first_or(V16 a, int n, V16 b) {
  return {_mm512_mask_mov_ps(b.v, first_lanes(n), a.v)};
}
inline V16 select_negative(V16 x, V16 a, V16 b) {
  return {_mm512_mask_mov_ps(b.v, _mm512_cmp_ps_mask(x.v, _mm512_setzero_ps(), _CMP_LT_OQ), a.v)};
}
inline V16 swap_pairs(V16 a) {
  return {_mm512_permute_ps(a.v, 0xB1)};
}
inline V16 scale_by_power(V16 p, V16 z) {
  const __m512i shifted = _mm512_slli_epi32(_mm512_castps_si512(z.v), 23);
  return {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p.v), shifted))};
}
inline float sum_lanes(V16 a) {
  const __m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(a.v), 1));
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.v), high);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
inline float max_lanes(V16 a) {
  const __m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(a.v), 1));
  const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(a.v), high);
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
inline void prefetch(const void* p) {
  _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T1);
}

}  // namespace llorch::cpu::LLORCH_CPU_ISA
