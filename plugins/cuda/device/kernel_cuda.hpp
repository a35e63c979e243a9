// kernel.hpp for nvcc: thin names over CUDA's built-ins and PTX. The only place that asks for which device it is
// compiled; what sm_75 lacks is composed from what it has.
#pragma once

#if !defined(__CUDACC__)
#error "kernels are compiled by nvcc, or with LLORCH_CUDA_EMULATION by a C++ compiler"
#endif

#include <cuda_runtime.h>

#include <cstdint>

namespace llorch::cuda {

struct alignas(16) Words4 {
  std::uint32_t x, y, z, w;
};

template <class T>
__device__ __forceinline__ T* shared_memory() {
  extern __shared__ __align__(128) unsigned char llorch_shared[];
  return reinterpret_cast<T*>(llorch_shared);
}

// Programmatic dependent launch. Code for devices before 9.0 has neither instruction, and launch() starts such kernels
// one after the other.
__device__ __forceinline__ void let_next_start() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" : : : "memory");
#endif
}
__device__ __forceinline__ void wait_for_previous() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" : : : "memory");
#endif
}

__device__ __forceinline__ void block_sync() {
  __syncthreads();
}
__device__ __forceinline__ void warp_sync() {
  __syncwarp();
}
template <class T>
__device__ __forceinline__ T shuffle_xor(T v, int mask) {
  return __shfl_xor_sync(0xffffffffu, v, mask);
}
template <class T>
__device__ __forceinline__ T shuffle(T v, int lane) {
  return __shfl_sync(0xffffffffu, v, lane);
}

// ---- numbers -------------------------------------------------------------------------------------------------------

__device__ __forceinline__ std::uint32_t bits_of(float v) {
  return __float_as_uint(v);
}
__device__ __forceinline__ float float_of(std::uint32_t bits) {
  return __uint_as_float(bits);
}
__device__ __forceinline__ float min_(float a, float b) {
  return fminf(a, b);
}
__device__ __forceinline__ float max_(float a, float b) {
  return fmaxf(a, b);
}
__device__ __forceinline__ float abs_(float v) {
  return fabsf(v);
}
__device__ __forceinline__ float fma_(float a, float b, float c) {
  return __fmaf_rn(a, b, c);
}
__device__ __forceinline__ float sqrt_(float v) {
  return __fsqrt_rn(v);
}
__device__ __forceinline__ float div_(float a, float b) {
  return __fdiv_rn(a, b);
}
__device__ __forceinline__ float round_(float v) {
  return rintf(v);
}
__device__ __forceinline__ float half_to_float(std::uint16_t v) {
  float out;
  asm("cvt.f32.f16 %0, %1;" : "=f"(out) : "h"(v));
  return out;
}
__device__ __forceinline__ std::uint16_t float_to_half(float v) {
  std::uint16_t out;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(out) : "f"(v));
  return out;
}
__device__ __forceinline__ std::int32_t dot4(std::uint32_t a, std::uint32_t b, std::int32_t c) {
  return __dp4a(static_cast<int>(a), static_cast<int>(b), c);
}

__device__ __forceinline__ std::uint32_t byte_permute(std::uint32_t a, std::uint32_t b, std::uint32_t selectors) {
  return __byte_perm(a, b, selectors);
}

// ---- loads and stores ----------------------------------------------------------------------------------------------

__device__ __forceinline__ Words4 load_words4(const void* p) {
  const uint4 v = *static_cast<const uint4*>(p);
  return {v.x, v.y, v.z, v.w};
}
__device__ __forceinline__ Words4 load_once(const void* p) {
  Words4 v;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(__cvta_generic_to_global(p)));
  return v;
}
__device__ __forceinline__ void store_words4(void* p, Words4 v) {
  *static_cast<uint4*>(p) = make_uint4(v.x, v.y, v.z, v.w);
}
__device__ __forceinline__ std::uint32_t shared_address(const void* p) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(p));
}

__device__ __forceinline__ void copy_async_16(void* shared, const void* global) {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;"
               :
               : "r"(shared_address(shared)), "l"(__cvta_generic_to_global(global))
               : "memory");
#else
  *static_cast<uint4*>(shared) = *static_cast<const uint4*>(global);
#endif
}
__device__ __forceinline__ void copy_async_commit() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" : : : "memory");
#endif
}
template <int kOpen>
__device__ __forceinline__ void copy_async_wait() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" : : "n"(kOpen) : "memory");
#endif
}

__device__ __forceinline__ void load_matrix_x4(std::uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}

// ---- matrix instructions -------------------------------------------------------------------------------------------

__device__ __forceinline__ void mma_f16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[2 * half]), "r"(a[2 * half + 1]), "r"(b[half]));
  }
#endif
}

#if __CUDA_ARCH__ < 800
/// No such instruction: each lane fetches the two rows of a and the two columns of b that meet in its d. k ascends. Not
/// inlined: a product has hundreds of them, and nvcc took a minute.
__device__ __noinline__ inline void mma_bf16_composed(float (&d)[4], const std::uint32_t (&a)[4],
                                                      const std::uint32_t (&b)[2]) {
  const int lane = static_cast<int>(threadIdx.x % 32u);
  const int row = lane & ~3;              // the first of the lanes that hold row g and row g + 8
  const int column = (lane % 4) * 2 * 4;  // the same for columns 2t and, 4 lanes further, 2t + 1
#pragma unroll
  for (int half = 0; half < 2; ++half) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const std::uint32_t upper = __shfl_sync(0xffffffffu, a[2 * half], row + j);
      const std::uint32_t lower = __shfl_sync(0xffffffffu, a[2 * half + 1], row + j);
      const std::uint32_t left = __shfl_sync(0xffffffffu, b[half], column + j);
      const std::uint32_t right = __shfl_sync(0xffffffffu, b[half], column + 4 + j);
#pragma unroll
      for (int odd = 0; odd < 2; ++odd) {
        const auto value = [odd](std::uint32_t two) {
          return __uint_as_float(odd != 0 ? two & 0xffff0000u : two << 16u);
        };
        d[0] = __fmaf_rn(value(upper), value(left), d[0]);
        d[1] = __fmaf_rn(value(upper), value(right), d[1]);
        d[2] = __fmaf_rn(value(lower), value(left), d[2]);
        d[3] = __fmaf_rn(value(lower), value(right), d[3]);
      }
    }
  }
}
#endif

__device__ __forceinline__ void mma_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  mma_bf16_composed(d, a, b);
#endif
}

__device__ __forceinline__ void mma_s8_k16(std::int32_t (&d)[4], const std::uint32_t (&a)[2], std::uint32_t b) {
#if __CUDA_ARCH__ >= 800
  asm volatile("mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
               : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(b));
#else
#pragma unroll
  for (int rows = 0; rows < 2; ++rows) {
    asm volatile("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {%0, %1}, {%2}, {%3}, {%0, %1};"
                 : "+r"(d[2 * rows]), "+r"(d[2 * rows + 1])
                 : "r"(a[rows]), "r"(b));
  }
#endif
}

__device__ __forceinline__ void mma_s8(std::int32_t (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2]) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  const std::uint32_t first[2] = {a[0], a[1]};
  const std::uint32_t second[2] = {a[2], a[3]};
  mma_s8_k16(d, first, b[0]);
  mma_s8_k16(d, second, b[1]);
#endif
}

}  // namespace llorch::cuda
