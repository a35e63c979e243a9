// Small things that kernels share.
#pragma once

#include "cuda/device/kernel.hpp"

// Before a loop over registers: an array lives in registers only where every index is a constant.
#if defined(__CUDACC__)
#define LLORCH_UNROLL _Pragma("unroll")
#define LLORCH_NO_UNROLL _Pragma("unroll 1")
#define LLORCH_UNROLL_BY_8 _Pragma("unroll 8")  // so that the loads of eight turns are under way at a time
#else
#define LLORCH_UNROLL
#define LLORCH_UNROLL_BY_8
#define LLORCH_NO_UNROLL
#endif

namespace llorch::cuda {

__device__ __forceinline__ int smaller(int a, int b) {
  return a < b ? a : b;
}
__device__ __forceinline__ int larger(int a, int b) {
  return a > b ? a : b;
}

/// Waits until this thread has fewer than n_stages groups of copies open: what it needs next is there.
/// n_stages: up to kMost; 0 waits for all of them, as 1 does.
template <int kMost>
__device__ __forceinline__ void wait_for_stage(int n_stages) {
  if constexpr (kMost > 1) {
    if (n_stages < kMost) return wait_for_stage<kMost - 1>(n_stages);
  }
  copy_async_wait<kMost - 1>();
}

/// Two neighbouring floats in one load.
struct alignas(8) FloatPair {
  float x, y;
};
__device__ __forceinline__ FloatPair load_pair(const void* p) {
  return *static_cast<const FloatPair*>(p);
}
struct alignas(8) WordPair {
  std::uint32_t x, y;
};
__device__ __forceinline__ WordPair load_word_pair(const void* p) {
  return *static_cast<const WordPair*>(p);
}

}  // namespace llorch::cuda
