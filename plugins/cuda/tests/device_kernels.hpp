// Small kernels for device_test.cpp: one for each thing that kernel.hpp offers.
#pragma once

#include <cstdint>

namespace llorch::cuda {
class Stream;
}

namespace llorch::cuda::testing {

/// out (n): its global index, written by grids of 2 x 3 x 2 blocks of 32 x 2 threads; n is 12 * 64.
void number_threads(Stream& stream, std::uint32_t* out);

/// out (128) = in (128) reversed, through shared memory and a barrier; without the barrier where `forgets` says so.
void reverse_block(Stream& stream, const std::uint32_t* in, std::uint32_t* out, bool forgets = false);

/// x (n): adds `summand` to each; n a multiple of 32.
void add_to_all(Stream& stream, float* x, float summand, unsigned n);

/// out (n): out[i] = in[(i + 33) % n] + 1, so that blocks read what others wrote; n a multiple of 32.
void pass_on(Stream& stream, const std::uint32_t* in, std::uint32_t* out, unsigned n);

/// out (3, 32): shuffle_xor by 5, shuffle from lane (3 lane + 1) % 32, and the warp's sum by a butterfly, of in (32).
void shuffle_all(Stream& stream, const float* in, float* out);

/// d (16, 8) += a (16, k) b (k, 8), row-major all three, as one warp. 16 halves (or bfloats), 32 or 16 bytes deep.
void multiply_f16(Stream& stream, const std::uint16_t* a, const std::uint16_t* b, float* d);
void multiply_bf16(Stream& stream, const std::uint16_t* a, const std::uint16_t* b, float* d);
void multiply_s8(Stream& stream, const std::int8_t* a, const std::int8_t* b, std::int32_t* d);
void multiply_s8_k16(Stream& stream, const std::int8_t* a, const std::int8_t* b, std::int32_t* d);

/// out (4, 32): the registers that ldmatrix.x4 gives of in (4, 8, 4), four 8 x 8 matrices of halves.
void load_matrices(Stream& stream, const std::uint32_t* in, std::uint32_t* out);

/// out (3, 64, 4) = in (3, 64, 4) through asynchronous copies in three groups, waited for one by one.
void copy_in_groups(Stream& stream, const std::uint32_t* in, std::uint32_t* out);

/// Functions of one number each, for x (n) and i (n): n a multiple of 32. y (kFunctions, n).
inline constexpr int kFunctions = 8;
enum Function { kExp, kSilu, kSqrt, kReciprocal, kRound, kThroughHalf, kThroughBfloat, kNotContracted };
void apply_functions(Stream& stream, const float* x, float* y, unsigned n);

/// out (n) = what shared memory held at first.
void read_fresh_shared(Stream& stream, std::uint32_t* out, unsigned n);

/// c (32) += the dot products of the signed bytes of a (32) and b (32).
void dot_bytes(Stream& stream, const std::uint32_t* a, const std::uint32_t* b, std::int32_t* c);

// ---- kernels with a mistake; the emulation tells -------------------------------------------------------------------

enum class Mistake {
  kHalfBlockAtBarrier,  // the second warp leaves, the first waits
  kLaneLeavesBeforeShuffle,
  kLanesAtDifferentPlaces,
  kMisalignedLoad,
  kBehindSharedMemory,
  kBehindDeviceMemory,
  kCopyNotWaitedFor,
  kEndsWithoutWaiting,  // for the previous kernel, one thread of them
  kReadsEarly,          // before it waited for the previous kernel
  kCopiesEarly,         // the same by copy_async_16
  kWritesEarly,
  kNone,  // threads that leave early without a later meeting are right
};
/// `memory` (64 words)
void make_mistake(Stream& stream, Mistake mistake, std::uint32_t* memory);

}  // namespace llorch::cuda::testing
