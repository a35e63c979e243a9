#include "device_kernels.hpp"

#include "cuda/device/kernel.hpp"
#include "cuda/device/launch.hpp"

namespace llorch::cuda::testing {
namespace {

__global__ void number_threads_kernel(std::uint32_t* out) {
  wait_its_turn();
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const unsigned thread = threadIdx.y * blockDim.x + threadIdx.x;
  const unsigned i = block * blockDim.x * blockDim.y + thread;
  out[i] = i;
}

__global__ void reverse_kernel(const std::uint32_t* in, std::uint32_t* out, bool forgets) {
  wait_its_turn();
  auto* shared = shared_memory<std::uint32_t>();
  shared[threadIdx.x] = in[threadIdx.x];
  if (!forgets) block_sync();
  out[threadIdx.x] = shared[blockDim.x - 1 - threadIdx.x];
}

__global__ void add_kernel(float* x, float summand) {
  wait_its_turn();
  x[blockIdx.x * blockDim.x + threadIdx.x] += summand;
}

__global__ void pass_on_kernel(const std::uint32_t* in, std::uint32_t* out, unsigned n) {
  wait_its_turn();
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  out[i] = in[(i + 33) % n] + 1;
}

__global__ void shuffle_kernel(const float* in, float* out) {
  wait_its_turn();
  const int lane = lane_id();
  const float v = in[lane];
  out[lane] = shuffle_xor(v, 5);
  out[32 + lane] = shuffle(v, (3 * lane + 1) % 32);
  float sum = v;
  for (int mask = 16; mask > 0; mask /= 2)
    sum += shuffle_xor(sum, mask);
  out[64 + lane] = sum;
}

__device__ __forceinline__ std::uint32_t two_of(const std::uint16_t* p, int stride) {
  return pack_halves(p[0], p[stride]);
}
__device__ __forceinline__ std::uint32_t four_of(const std::int8_t* p, int stride) {
  std::uint32_t out = 0;
  for (int i = 3; i >= 0; --i)
    out = out << 8u | static_cast<std::uint8_t>(p[i * stride]);
  return out;
}

/// d[0], d[1] of row g, columns 2t and 2t + 1; d[2], d[3] of row g + 8.
template <class D>
__device__ __forceinline__ D* place_of(D* d, int i) {
  return d + (lane_id() / 4 + i / 2 * 8) * 8 + lane_id() % 4 * 2 + i % 2;
}

template <bool kBfloat>
__global__ void multiply_halves_kernel(const std::uint16_t* a, const std::uint16_t* b, float* d) {
  wait_its_turn();
  const int g = lane_id() / 4, k = lane_id() % 4 * 2;
  std::uint32_t left[4], right[2];
  float sum[4];
  for (int i = 0; i < 4; ++i) {
    left[i] = two_of(a + (g + i % 2 * 8) * 16 + k + i / 2 * 8, 1);
    sum[i] = *place_of(d, i);
  }
  for (int i = 0; i < 2; ++i)
    right[i] = two_of(b + (k + i * 8) * 8 + g, 8);
  if constexpr (kBfloat) {
    mma_bf16(sum, left, right);
  } else {
    mma_f16(sum, left, right);
  }
  for (int i = 0; i < 4; ++i)
    *place_of(d, i) = sum[i];
}

template <int kDepth>
__global__ void multiply_bytes_kernel(const std::int8_t* a, const std::int8_t* b, std::int32_t* d) {
  wait_its_turn();
  const int g = lane_id() / 4, k = lane_id() % 4 * 4;
  std::uint32_t left[kDepth / 8], right[kDepth / 16];
  std::int32_t sum[4];
  for (int i = 0; i < 4; ++i)
    sum[i] = *place_of(d, i);
  for (int i = 0; i < kDepth / 8; ++i)
    left[i] = four_of(a + (g + i % 2 * 8) * kDepth + k + i / 2 * 16, 1);
  for (int i = 0; i < kDepth / 16; ++i)
    right[i] = four_of(b + (k + i * 16) * 8 + g, 8);
  if constexpr (kDepth == 32) {
    mma_s8(sum, left, right);
  } else {
    mma_s8_k16(sum, left, right[0]);
  }
  for (int i = 0; i < 4; ++i)
    *place_of(d, i) = sum[i];
}

__global__ void load_matrices_kernel(const std::uint32_t* in, std::uint32_t* out) {
  wait_its_turn();
  auto* shared = shared_memory<std::uint32_t>();
  const int lane = lane_id();
  store_words4(shared + 4 * lane, load_words4(in + 4 * lane));
  block_sync();
  std::uint32_t r[4];
  load_matrix_x4(r, shared + 4 * lane);
  for (int m = 0; m < 4; ++m)
    out[m * 32 + lane] = r[m];
}

__global__ void copy_in_groups_kernel(const std::uint32_t* in, std::uint32_t* out) {
  wait_its_turn();
  auto* shared = shared_memory<std::uint32_t>();
  const unsigned i = 4 * threadIdx.x;
  for (unsigned group = 0; group < 3; ++group) {
    copy_async_16(shared + group * 256 + i, in + group * 256 + i);
    copy_async_commit();
  }
  const unsigned other = 252 - i;  // another thread's words
  copy_async_wait<2>();
  block_sync();
  store_words4(out + other, load_words4(shared + other));
  copy_async_wait<1>();
  block_sync();
  store_words4(out + 256 + other, load_words4(shared + 256 + other));
  copy_async_wait<0>();
  block_sync();
  store_words4(out + 512 + other, load_words4(shared + 512 + other));
}

__global__ void functions_kernel(const float* x, float* y, unsigned n) {
  wait_its_turn();
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  const float v = x[i];
  y[kExp * n + i] = exp_(v);
  y[kSilu * n + i] = silu(v);
  y[kSqrt * n + i] = sqrt_(abs_(v));
  y[kReciprocal * n + i] = div_(1.0f, v);
  y[kRound * n + i] = round_(v);
  y[kThroughHalf * n + i] = half_to_float(float_to_half(v));
  y[kThroughBfloat * n + i] = bfloat_to_float(float_to_bfloat(v));
  y[kNotContracted * n + i] = v * v - 2.0f;
}

__global__ void fresh_shared_kernel(std::uint32_t* out) {
  wait_its_turn();
  out[threadIdx.x] = shared_memory<std::uint32_t>()[threadIdx.x];
}

__global__ void dot_bytes_kernel(const std::uint32_t* a, const std::uint32_t* b, std::int32_t* c) {
  wait_its_turn();
  c[threadIdx.x] = dot4(a[threadIdx.x], b[threadIdx.x], c[threadIdx.x]);
}

__global__ void mistake_kernel(Mistake mistake, std::uint32_t* memory) {
  auto* shared = shared_memory<std::uint32_t>();
  const unsigned i = threadIdx.x;
  let_next_start();
  if (mistake == Mistake::kEndsWithoutWaiting && i == 7) return;
  if (mistake == Mistake::kReadsEarly) shared[i] = memory[i];
  if (mistake == Mistake::kCopiesEarly) copy_async_16(shared + 4 * (i % 16), memory + 4 * (i % 16));
  if (mistake == Mistake::kWritesEarly) memory[i] = 1;
  wait_for_previous();
  switch (mistake) {
    case Mistake::kEndsWithoutWaiting:
    case Mistake::kReadsEarly:
    case Mistake::kWritesEarly:
      return;
    case Mistake::kCopiesEarly:
      copy_async_commit();
      copy_async_wait<0>();
      return;
    case Mistake::kHalfBlockAtBarrier:
      if (i < 32) block_sync();
      return;
    case Mistake::kLaneLeavesBeforeShuffle:
      if (i == 37) return;
      memory[i] = shuffle_xor(i, 1);
      return;
    case Mistake::kLanesAtDifferentPlaces:
      if (i == 5) {
        block_sync();
      } else {
        warp_sync();
      }
      return;
    case Mistake::kMisalignedLoad:
      memory[i] = load_words4(memory + 1).x;
      return;
    case Mistake::kBehindSharedMemory:
      shared[64 + i] = 1;
      return;
    case Mistake::kBehindDeviceMemory:
      memory[i] = i;
      return;
    case Mistake::kCopyNotWaitedFor:
      copy_async_16(shared + 4 * (i % 16), memory + 4 * (i % 16));
      return;
    case Mistake::kNone:
      if (i % 3 == 0) return;
      memory[i] = i;
      return;
  }
}

}  // namespace

void number_threads(Stream& stream, std::uint32_t* out) {
  launch(stream, "number_threads", number_threads_kernel, {2, 3, 2}, {32, 2}, 0, out);
}
void reverse_block(Stream& stream, const std::uint32_t* in, std::uint32_t* out, bool forgets) {
  launch(stream, "reverse_block", reverse_kernel, {}, {128}, 128 * sizeof *in, in, out, forgets);
}
void add_to_all(Stream& stream, float* x, float summand, unsigned n) {
  launch(stream, "add_to_all", add_kernel, {n / 32}, {32}, 0, x, summand);
}
void pass_on(Stream& stream, const std::uint32_t* in, std::uint32_t* out, unsigned n) {
  launch(stream, "pass_on", pass_on_kernel, {n / 32}, {32}, 0, in, out, n);
}
void shuffle_all(Stream& stream, const float* in, float* out) {
  launch(stream, "shuffle_all", shuffle_kernel, {}, {32}, 0, in, out);
}
void multiply_f16(Stream& stream, const std::uint16_t* a, const std::uint16_t* b, float* d) {
  launch(stream, "multiply_f16", multiply_halves_kernel<false>, {}, {32}, 0, a, b, d);
}
void multiply_bf16(Stream& stream, const std::uint16_t* a, const std::uint16_t* b, float* d) {
  launch(stream, "multiply_bf16", multiply_halves_kernel<true>, {}, {32}, 0, a, b, d);
}
void multiply_s8(Stream& stream, const std::int8_t* a, const std::int8_t* b, std::int32_t* d) {
  launch(stream, "multiply_s8", multiply_bytes_kernel<32>, {}, {32}, 0, a, b, d);
}
void multiply_s8_k16(Stream& stream, const std::int8_t* a, const std::int8_t* b, std::int32_t* d) {
  launch(stream, "multiply_s8_k16", multiply_bytes_kernel<16>, {}, {32}, 0, a, b, d);
}
void load_matrices(Stream& stream, const std::uint32_t* in, std::uint32_t* out) {
  launch(stream, "load_matrices", load_matrices_kernel, {}, {32}, 512, in, out);
}
void copy_in_groups(Stream& stream, const std::uint32_t* in, std::uint32_t* out) {
  launch(stream, "copy_in_groups", copy_in_groups_kernel, {}, {64}, 3072, in, out);
}
void apply_functions(Stream& stream, const float* x, float* y, unsigned n) {
  launch(stream, "apply_functions", functions_kernel, {n / 32}, {32}, 0, x, y, n);
}
void read_fresh_shared(Stream& stream, std::uint32_t* out, unsigned n) {
  launch(stream, "read_fresh_shared", fresh_shared_kernel, {}, {n}, n * sizeof *out, out);
}
void dot_bytes(Stream& stream, const std::uint32_t* a, const std::uint32_t* b, std::int32_t* c) {
  launch(stream, "dot_bytes", dot_bytes_kernel, {}, {32}, 0, a, b, c);
}
void make_mistake(Stream& stream, Mistake mistake, std::uint32_t* memory) {
  launch(stream, "make_mistake", mistake_kernel, {1, 2}, {64}, 256, mistake, memory);
}

}  // namespace llorch::cuda::testing
