// What a kernel is written with. Every .cu file includes this and nothing of CUDA itself, so that the same source
// compiles with nvcc (kernel_cuda.hpp) and, for the tests, with any C++ compiler (emulation/kernel_emulated.hpp).
// clang-format off
//
// Both give, besides threadIdx, blockIdx, blockDim, gridDim and CUDA's qualifiers (__global__, __device__,
// __forceinline__, __launch_bounds__, __restrict__):
//
//   T* shared_memory<T>()              the block's dynamic shared memory, aligned to 128 bytes; undefined at first
//   void let_next_start()              the stream's next kernel may begin, as far as its wait_for_previous()
//   void wait_for_previous()           until all that the stream did before is done and visible. Every thread of every
//                                      kernel calls it once; before that it reads nothing but its arguments, its block's
//                                      shared memory and constant memory (DeviceMemory::make_constant), and writes
//                                      nothing but shared memory
//   void block_sync(), warp_sync()     all threads of the block, all lanes of the warp
//   T shuffle_xor(T v, int mask)       v of lane (own ^ mask); T is float, int32_t or uint32_t
//   T shuffle(T v, int lane)           v of that lane
//   void copy_async_16(void* shared, const void* global)   16 aligned bytes, done after copy_async_wait
//   void copy_async_commit()           closes this thread's group of copies
//   void copy_async_wait<N>()          until at most N of this thread's groups are open; block_sync for others' copies
//   Words4 load_words4(const void* p)  16 aligned bytes in one load
//   Words4 load_once(const void* p)    the same for what no one reads again soon, from memory that no kernel writes
//   void store_words4(void* p, Words4)
//   void load_matrix_x4(uint32_t (&r)[4], const void* row)   ldmatrix.x4: lane i gives the address of row i % 8 (16
//                                      bytes) of matrix i / 8; register m of lane l: row l / 4, bytes 4 (l % 4).. of
//                                      matrix m
//   int32_t dot4(uint32_t a, uint32_t b, int32_t c)          c + the dot product of four signed bytes each
//   uint32_t byte_permute(a, b, selectors)                   byte i is the one of b:a that nibble i of selectors
//                                      (0..7) names
//   float half_to_float(uint16_t), uint16_t float_to_half(float)   round to nearest even
//   float min_(a, b), max_(a, b), sqrt_(x), div_(a, b), round_(x), fma_(a, b, c), abs_(x)
//                                      correctly rounded; round_ to nearest even; min_, max_ pass over NaN
//   uint32_t bits_of(float), float float_of(uint32_t)
//
// Matrix instructions, one for the whole warp: d += a b, with the registers as PTX documents them for mma.sync. With
// g = lane / 4 and t = lane % 4, d[0], d[1] are row g, columns 2t, 2t + 1; d[2], d[3] the same of row g + 8.
//
//   void mma_f16 (float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2])     m16n8k16; a[0]: row g, k 2t..2t+1;
//                                      a[1]: row g + 8; a[2], a[3]: k + 8; b[0]: column g, k 2t..2t+1; b[1]: k + 8
//   void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2])     the same with bfloat16
//   void mma_s8  (int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2])   m16n8k32; a[0]: row g, k 4t..4t+3;
//                                      a[1]: row g + 8; a[2], a[3]: k + 16; b[0]: column g, k 4t..4t+3; b[1]: k + 16
//   void mma_s8_k16(int32_t (&d)[4], const uint32_t (&a)[2], uint32_t b)             m16n8k16; as a[0], a[1], b[0]
//
// shuffle, mma, load_matrix and warp_sync want all 32 lanes, block_sync all threads of the block: the emulation ends
// the kernel with a failure that names who is missing. Nothing is contracted: a * b + c rounds twice, fma_ once.
// clang-format on
#pragma once

#include <cstdint>

#if defined(LLORCH_CUDA_EMULATION)
#include "cuda/device/emulation/kernel_emulated.hpp"
#else
#include "cuda/device/kernel_cuda.hpp"
#endif

namespace llorch::cuda {

__device__ __forceinline__ int lane_id() {
  return static_cast<int>(threadIdx.x % 32u);
}
__device__ __forceinline__ int warp_id() {
  return static_cast<int>(threadIdx.x / 32u);
}

/// The first line of a kernel that reads nothing early.
__device__ __forceinline__ void wait_its_turn() {
  let_next_start();
  wait_for_previous();
}

/// bfloat16: the upper half of a float.
__device__ __forceinline__ float bfloat_to_float(std::uint16_t v) {
  return float_of(static_cast<std::uint32_t>(v) << 16u);
}
/// Rounds to nearest, ties to even. NaN stays NaN.
__device__ __forceinline__ std::uint16_t float_to_bfloat(float v) {
  const std::uint32_t bits = bits_of(v);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>((bits >> 16u) | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16u) & 1u)) >> 16u);
}
/// Two halves or bfloats as mma takes them: the lower k in the lower half.
__device__ __forceinline__ std::uint32_t pack_halves(std::uint16_t low, std::uint16_t high) {
  return static_cast<std::uint32_t>(low) | (static_cast<std::uint32_t>(high) << 16u);
}

/// e^x for x clamped to [-86, 88]; NaN stays NaN. The same polynomial in fma, hence the same bits, as the CPU plugins'
/// (a relative error below 1e-7): x = n ln 2 + r with |r| <= ln 2 / 2.
__device__ __forceinline__ float exp_(float x) {  // NOLINT(readability-identifier-naming)
  constexpr float kLog2E = 0x1.715476p+0f;
  constexpr float kLn2High = 0x1.62e4p-1f;  // 15 bits, so n * kLn2High is exact
  constexpr float kLn2Low = 0x1.7f7d1cp-20f;
  constexpr float kRound = 0x1.8p+23f;  // adding it leaves the nearest integer in the low bits
  if (!(x == x)) return x;
  x = min_(88.0f, max_(-86.0f, x));
  const float z = fma_(x, kLog2E, kRound);
  const float n = z - kRound;
  float r = fma_(n, -kLn2High, x);
  r = fma_(n, -kLn2Low, r);
  float p = 0x1.6a2358p-10f;
  p = fma_(p, r, 0x1.123a6cp-7f);
  p = fma_(p, r, 0x1.5558f4p-5f);
  p = fma_(p, r, 0x1.55549p-3f);
  p = fma_(p, r, 0x1.fffffcp-2f);
  p = fma_(p, r, 1.0f);
  p = fma_(p, r, 1.0f);
  // p * 2^n by adding n to the exponent: p is in [0.7, 1.5], n in [-125, 127].
  return float_of(bits_of(p) + (bits_of(z) << 23u));
}

/// x / (1 + e^-x).
__device__ __forceinline__ float silu(float x) {
  return div_(x, 1.0f + exp_(0.0f - x));
}

}  // namespace llorch::cuda
