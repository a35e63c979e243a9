// gpu_limits: what the device does at best, as one JSON object: bytes per second of a copy (read and written together),
// and floating-point operations per second of a large bf16 product with cuBLAS, where that is installed.
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#if defined(LLORCH_HAS_CUBLAS)
#include <cublas_v2.h>
#endif

namespace {

void check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "gpu_limits: %s: %s\n", what, cudaGetErrorString(error));
  std::exit(1);
}

__global__ void copy_kernel(const uint4* from, uint4* to, std::size_t n) {
  const std::size_t stride = std::size_t{gridDim.x} * blockDim.x;
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += stride)
    to[i] = from[i];
}

/// Seconds of the fastest of several runs.
template <class Work>
double fastest(Work&& work) {
  constexpr int kRuns = 20;
  cudaEvent_t begin, end;
  check(cudaEventCreate(&begin), "cudaEventCreate");
  check(cudaEventCreate(&end), "cudaEventCreate");
  float best = 0;
  for (int i = 0; i < kRuns; ++i) {
    check(cudaEventRecord(begin), "cudaEventRecord");
    work();
    check(cudaEventRecord(end), "cudaEventRecord");
    check(cudaEventSynchronize(end), "cudaEventSynchronize");
    float ms = 0;
    check(cudaEventElapsedTime(&ms, begin, end), "cudaEventElapsedTime");
    best = i == 0 ? ms : std::min(best, ms);
  }
  return best / 1e3;
}

double copy_rate() {
  constexpr std::size_t kBytes = std::size_t{2} << 30u;
  void *from = nullptr, *to = nullptr;
  check(cudaMalloc(&from, kBytes), "cudaMalloc");
  check(cudaMalloc(&to, kBytes), "cudaMalloc");
  check(cudaMemset(from, 1, kBytes), "cudaMemset");
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
  const int blocks = properties.multiProcessorCount * 8;
  const double by_kernel = fastest([&] {
    copy_kernel<<<blocks, 512>>>(static_cast<const uint4*>(from), static_cast<uint4*>(to), kBytes / sizeof(uint4));
    check(cudaGetLastError(), "copy_kernel");
  });
  const double by_driver =
      fastest([&] { check(cudaMemcpyAsync(to, from, kBytes, cudaMemcpyDeviceToDevice, nullptr), "cudaMemcpyAsync"); });
  check(cudaFree(from), "cudaFree");
  check(cudaFree(to), "cudaFree");
  return 2.0 * static_cast<double>(kBytes) / std::min(by_kernel, by_driver);
}

double gemm_rate() {
#if defined(LLORCH_HAS_CUBLAS)
  constexpr int kSide = 8192;
  const std::size_t bytes = std::size_t{kSide} * kSide * 2;
  void *a = nullptr, *b = nullptr, *c = nullptr;
  check(cudaMalloc(&a, bytes), "cudaMalloc");
  check(cudaMalloc(&b, bytes), "cudaMalloc");
  check(cudaMalloc(&c, bytes), "cudaMalloc");
  check(cudaMemset(a, 0x3c, bytes), "cudaMemset");
  check(cudaMemset(b, 0x3c, bytes), "cudaMemset");
  cublasHandle_t handle = nullptr;
  if (cublasCreate(&handle) != CUBLAS_STATUS_SUCCESS) return 0;
  const float one = 1, zero = 0;
  bool fine = true;
  const double seconds = fastest([&] {
    fine = fine && cublasGemmEx(handle, CUBLAS_OP_T, CUBLAS_OP_N, kSide, kSide, kSide, &one, a, CUDA_R_16BF, kSide, b,
                                CUDA_R_16BF, kSide, &zero, c, CUDA_R_16BF, kSide, CUBLAS_COMPUTE_32F,
                                CUBLAS_GEMM_DEFAULT) == CUBLAS_STATUS_SUCCESS;
  });
  cublasDestroy(handle);
  check(cudaFree(a), "cudaFree");
  check(cudaFree(b), "cudaFree");
  check(cudaFree(c), "cudaFree");
  return fine ? 2.0 * kSide * kSide * static_cast<double>(kSide) / seconds : 0;
#else
  return 0;  // not measured
#endif
}

}  // namespace

int main() {
  int n = 0;
  if (cudaGetDeviceCount(&n) != cudaSuccess || n == 0) {
    std::fprintf(stderr, "gpu_limits: no device\n");
    return 3;
  }
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
  int driver = 0, runtime = 0;
  check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  check(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
  std::printf(
      "{\"device\":\"%s\",\"compute_capability\":\"%d.%d\",\"driver\":%d,\"runtime\":%d,"
      "\"copy_bytes_per_second\":%.6g,\"bf16_gemm_flops_per_second\":%.6g}\n",
      properties.name, properties.major, properties.minor, driver, runtime, copy_rate(), gemm_rate());
  return 0;
}
