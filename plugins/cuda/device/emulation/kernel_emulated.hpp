// kernel.hpp for any C++ compiler: CUDA's qualifiers as macros, its built-in variables as objects, and what a warp or a
// block does together as a meeting of fibers (fibers.hpp). Made to find errors in tests, not to be fast.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): these names are CUDA's
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)

namespace llorch::cuda {

struct alignas(16) Words4 {
  std::uint32_t x, y, z, w;
};

namespace emulation {

struct Index {
  unsigned x = 0, y = 0, z = 0;
};

/// Where threads meet.
enum class Collective : std::uint8_t {
  kNone,
  kEnd,
  kBlockSync,
  kWaitForPrevious,
  kWarpSync,
  kShuffle,
  kShuffleXor,
  kLoadMatrix,
  kMmaF16,
  kMmaBf16,
  kMmaS8,
  kMmaS8K16
};

void* shared_memory_of_block();
void wait_for_previous();
void meet_block();
/// Brings `value` (at most 64 bytes) to the warp's meeting and takes what the operation made of it.
void meet_warp(Collective what, void* value, std::size_t bytes);
void copy_later(void* shared, const void* global);
void close_copies();
void wait_for_copies(int open);
std::uint16_t half_of_float(float v);
[[noreturn]] void fail_misaligned(const void* p, unsigned alignment);
inline void check_aligned(const void* p, unsigned alignment) {
  if (std::bit_cast<std::uintptr_t>(p) % alignment != 0) fail_misaligned(p, alignment);
}

}  // namespace emulation

// Of the thread that runs now; fibers.cpp sets them whenever another one goes on.
extern emulation::Index threadIdx, blockIdx;  // NOLINT(readability-identifier-naming)
extern emulation::Index blockDim, gridDim;    // NOLINT(readability-identifier-naming)

template <class T>
T* shared_memory() {
  return static_cast<T*>(emulation::shared_memory_of_block());
}

inline void let_next_start() {}
inline void wait_for_previous() {
  emulation::wait_for_previous();
}
inline void block_sync() {
  emulation::meet_block();
}
inline void warp_sync() {
  emulation::meet_warp(emulation::Collective::kWarpSync, nullptr, 0);
}

template <class T>
T shuffle_xor(T v, int mask) {
  static_assert(sizeof(T) == 4);
  std::uint32_t words[2] = {std::bit_cast<std::uint32_t>(v), static_cast<std::uint32_t>(mask)};
  emulation::meet_warp(emulation::Collective::kShuffleXor, words, sizeof words);
  return std::bit_cast<T>(words[0]);
}
template <class T>
T shuffle(T v, int lane) {
  static_assert(sizeof(T) == 4);
  std::uint32_t words[2] = {std::bit_cast<std::uint32_t>(v), static_cast<std::uint32_t>(lane)};
  emulation::meet_warp(emulation::Collective::kShuffle, words, sizeof words);
  return std::bit_cast<T>(words[0]);
}

// ---- numbers -------------------------------------------------------------------------------------------------------

inline std::uint32_t bits_of(float v) {
  return std::bit_cast<std::uint32_t>(v);
}
inline float float_of(std::uint32_t bits) {
  return std::bit_cast<float>(bits);
}
// NOLINTBEGIN(readability-identifier-naming): not to be taken for the C library's
inline float min_(float a, float b) {
  return std::fmin(a, b);
}
inline float max_(float a, float b) {
  return std::fmax(a, b);
}
inline float abs_(float v) {
  return std::fabs(v);
}
inline float fma_(float a, float b, float c) {
  return std::fma(a, b, c);
}
inline float sqrt_(float v) {
  return std::sqrt(v);
}
inline float div_(float a, float b) {
  return a / b;
}
inline float round_(float v) {
  return std::nearbyint(v);
}
// NOLINTEND(readability-identifier-naming)
inline float half_to_float(std::uint16_t v) {
  const std::uint32_t magnitude = v & 0x7fffu;
  // The exponent's new bias by a multiplication, which makes subnormals right as well. Infinity and NaN keep their own.
  const std::uint32_t finite = bits_of(float_of(magnitude << 13u) * 0x1p+112f);
  const std::uint32_t bits = magnitude >= 0x7c00u ? (magnitude << 13u) | 0x7f800000u : finite;
  return float_of(bits | (v & 0x8000u) << 16u);
}
inline std::uint16_t float_to_half(float v) {
  return emulation::half_of_float(v);
}
inline std::int32_t dot4(std::uint32_t a, std::uint32_t b, std::int32_t c) {
  for (unsigned i = 0; i < 32; i += 8)
    c += static_cast<std::int8_t>(a >> i) * static_cast<std::int8_t>(b >> i);
  return c;
}

inline std::uint32_t byte_permute(std::uint32_t a, std::uint32_t b, std::uint32_t selectors) {
  const std::uint64_t bytes = a | std::uint64_t{b} << 32U;
  std::uint32_t out = 0;
  for (unsigned i = 0; i < 4; ++i)
    out |= static_cast<std::uint32_t>(bytes >> (8 * (selectors >> (4 * i) & 7U)) & 0xffU) << (8 * i);
  return out;
}

// ---- loads and stores ----------------------------------------------------------------------------------------------

inline Words4 load_words4(const void* p) {
  emulation::check_aligned(p, 16);
  Words4 v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline Words4 load_once(const void* p) {
  return load_words4(p);
}
inline void store_words4(void* p, Words4 v) {
  emulation::check_aligned(p, 16);
  std::memcpy(p, &v, sizeof v);
}
inline void copy_async_16(void* shared, const void* global) {
  emulation::copy_later(shared, global);
}
inline void copy_async_commit() {
  emulation::close_copies();
}
template <int kOpen>
void copy_async_wait() {
  emulation::wait_for_copies(kOpen);
}
inline void load_matrix_x4(std::uint32_t (&r)[4], const void* row) {
  std::memcpy(r, &row, sizeof row);
  emulation::meet_warp(emulation::Collective::kLoadMatrix, r, sizeof r);
}

// ---- matrix instructions -------------------------------------------------------------------------------------------

namespace emulation {

/// What a lane brings to a matrix instruction; d comes back in its place.
template <class D>
struct MmaOperands {
  D d[4];
  std::uint32_t a[4], b[2];
};

template <class D, std::size_t kA>
void mma(Collective what, D (&d)[4], const std::uint32_t (&a)[kA], const std::uint32_t* b) {
  MmaOperands<D> lane{};
  std::memcpy(lane.d, d, sizeof d);
  std::memcpy(lane.a, a, sizeof a);
  std::memcpy(lane.b, b, kA / 2 * sizeof *b);
  meet_warp(what, &lane, sizeof lane);
  std::memcpy(d, lane.d, sizeof d);
}

}  // namespace emulation

inline void mma_f16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  emulation::mma(emulation::Collective::kMmaF16, d, a, b);
}
inline void mma_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  emulation::mma(emulation::Collective::kMmaBf16, d, a, b);
}
inline void mma_s8(std::int32_t (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
  emulation::mma(emulation::Collective::kMmaS8, d, a, b);
}
inline void mma_s8_k16(std::int32_t (&d)[4], const std::uint32_t (&a)[2], std::uint32_t b) {
  emulation::mma(emulation::Collective::kMmaS8K16, d, a, &b);
}

}  // namespace llorch::cuda
