// gpu_limits: what the device does at best, as one JSON object: bytes per second of a copy (read and written together),
// and floating-point operations per second of a large bf16 product of random numbers with cuBLAS, which is opened where
// it is installed. Each as the best and the median of several runs.
//   gpu_limits [--cublas FILE] [--gemm-flops N]
//     --cublas FILE     libcublas.so, where the loader does not find it
//     --gemm-flops N    stands in the table, as given, where there is no cuBLAS to measure with
// Exit code 1: something failed; 2: bad usage; 3: no device that CUDA can use.
#include <cuda_runtime.h>
#include <dlfcn.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

constexpr int kUsage = 2, kNoDevice = 3;

void check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "gpu_limits: %s: %s\n", what, cudaGetErrorString(error));
  std::exit(1);
}

struct Rate {
  double best = 0, median = 0;  // per second; 0: not known
};

/// `amount` over the seconds of several runs, after some that warm up.
template <class Work>
Rate rate_of(double amount, Work&& work) {
  constexpr int kWarmUp = 3, kRuns = 21;
  cudaEvent_t begin, end;
  check(cudaEventCreate(&begin), "cudaEventCreate");
  check(cudaEventCreate(&end), "cudaEventCreate");
  std::vector<double> seconds;
  for (int i = -kWarmUp; i < kRuns; ++i) {
    check(cudaEventRecord(begin), "cudaEventRecord");
    work();
    check(cudaEventRecord(end), "cudaEventRecord");
    check(cudaEventSynchronize(end), "cudaEventSynchronize");
    float ms = 0;
    check(cudaEventElapsedTime(&ms, begin, end), "cudaEventElapsedTime");
    if (i >= 0) seconds.push_back(ms / 1e3);
  }
  check(cudaEventDestroy(begin), "cudaEventDestroy");
  check(cudaEventDestroy(end), "cudaEventDestroy");
  std::sort(seconds.begin(), seconds.end());
  return {amount / seconds.front(), amount / seconds[seconds.size() / 2]};
}

// ---- copy ----------------------------------------------------------------------------------------------------------

__global__ void copy_kernel(const uint4* from, uint4* to, std::size_t n) {
  const std::size_t stride = std::size_t{gridDim.x} * blockDim.x;
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += stride)
    to[i] = from[i];
}

/// The better of a kernel and the driver's own.
Rate copy_rate() {
  constexpr std::size_t kBytes = std::size_t{2} << 30u;
  void *from = nullptr, *to = nullptr;
  check(cudaMalloc(&from, kBytes), "cudaMalloc");
  check(cudaMalloc(&to, kBytes), "cudaMalloc");
  check(cudaMemset(from, 1, kBytes), "cudaMemset");
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
  const auto blocks = static_cast<unsigned>(properties.multiProcessorCount * 8);
  const double moved = 2.0 * static_cast<double>(kBytes);
  const Rate by_kernel = rate_of(moved, [&] {
    copy_kernel<<<blocks, 512>>>(static_cast<const uint4*>(from), static_cast<uint4*>(to), kBytes / sizeof(uint4));
    check(cudaGetLastError(), "copy_kernel");
  });
  const Rate by_driver = rate_of(
      moved, [&] { check(cudaMemcpyAsync(to, from, kBytes, cudaMemcpyDeviceToDevice, nullptr), "cudaMemcpyAsync"); });
  check(cudaFree(from), "cudaFree");
  check(cudaFree(to), "cudaFree");
  return by_kernel.median > by_driver.median ? by_kernel : by_driver;
}

// ---- product -------------------------------------------------------------------------------------------------------

/// Numbers in [-1, 1) as bf16: what a device does with constants is not what it does with weights.
__global__ void fill_random(std::uint16_t* out, std::size_t n, std::uint32_t seed) {
  const std::size_t stride = std::size_t{gridDim.x} * blockDim.x;
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += stride) {
    std::uint32_t x = static_cast<std::uint32_t>(i) * 0x9e3779b9u + seed;
    x = (x ^ x >> 16u) * 0x85ebca6bu;
    x = (x ^ x >> 13u) * 0xc2b2ae35u;
    x ^= x >> 16u;
    const float value = static_cast<float>(x >> 8u) * 0x1p-23f - 1.0f;
    out[i] = static_cast<std::uint16_t>(__float_as_uint(value) >> 16u);
  }
}

// As cuBLAS declares them; enumerations are ints there.
using Create = int (*)(void**);
using Destroy = int (*)(void*);
using GetVersion = int (*)(void*, int*);
using GemmEx = int (*)(void* handle, int transpose_a, int transpose_b, int m, int n, int k, const void* alpha,
                       const void* a, int a_type, int lda, const void* b, int b_type, int ldb, const void* beta,
                       void* c, int c_type, int ldc, int compute, int algorithm);
constexpr int kNoTranspose = 0, kTranspose = 1, kBf16 = 14, kCompute32F = 68, kDefaultAlgorithm = -1;
static_assert(kBf16 == CUDA_R_16BF);

struct Cublas {
  Create create = nullptr;
  Destroy destroy = nullptr;
  GetVersion version = nullptr;
  GemmEx gemm = nullptr;
};

/// No functions where it is not installed; that is said to standard error.
Cublas open_cublas(const std::string& given) {
  std::vector<std::string> names;
  if (!given.empty()) {
    names = {given};
  } else {
    const std::string versioned = "libcublas.so." + std::to_string(CUDART_VERSION / 1000);
    names = {versioned, "libcublas.so"};
#if defined(LLORCH_CUDA_LIBRARY_DIR)
    names.push_back(std::string(LLORCH_CUDA_LIBRARY_DIR) + "/" + versioned);
#endif
  }
  void* library = nullptr;
  for (const std::string& name : names) {
    library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr) break;
    std::fprintf(stderr, "gpu_limits: %s\n", dlerror());
  }
  if (library == nullptr) return {};
  const Cublas out{reinterpret_cast<Create>(dlsym(library, "cublasCreate_v2")),
                   reinterpret_cast<Destroy>(dlsym(library, "cublasDestroy_v2")),
                   reinterpret_cast<GetVersion>(dlsym(library, "cublasGetVersion_v2")),
                   reinterpret_cast<GemmEx>(dlsym(library, "cublasGemmEx"))};
  if (out.create == nullptr || out.destroy == nullptr || out.version == nullptr || out.gemm == nullptr) return {};
  return out;
}

/// And where the number comes from.
Rate gemm_rate(const std::string& library, double given, std::string& source) {
  const Cublas cublas = open_cublas(library);
  void* handle = nullptr;
  if (cublas.create == nullptr || cublas.create(&handle) != 0) {
    source = given > 0 ? "given, not measured" : "not measured: no cuBLAS";
    return {given, given};
  }
  constexpr int kSide = 8192;
  constexpr std::size_t kElements = std::size_t{kSide} * kSide;
  std::uint16_t *a = nullptr, *b = nullptr, *c = nullptr;
  check(cudaMalloc(&a, kElements * 2), "cudaMalloc");
  check(cudaMalloc(&b, kElements * 2), "cudaMalloc");
  check(cudaMalloc(&c, kElements * 2), "cudaMalloc");
  fill_random<<<1024, 256>>>(a, kElements, 1);
  fill_random<<<1024, 256>>>(b, kElements, 2);
  check(cudaGetLastError(), "fill_random");
  const float one = 1, zero = 0;
  int result = 0, version = 0;
  const Rate rate = rate_of(2.0 * kSide * kSide * static_cast<double>(kSide), [&] {
    const int now = cublas.gemm(handle, kTranspose, kNoTranspose, kSide, kSide, kSide, &one, a, kBf16, kSide, b, kBf16,
                                kSide, &zero, c, kBf16, kSide, kCompute32F, kDefaultAlgorithm);
    if (now != 0) result = now;
  });
  (void)cublas.version(handle, &version);
  (void)cublas.destroy(handle);
  check(cudaFree(a), "cudaFree");
  check(cudaFree(b), "cudaFree");
  check(cudaFree(c), "cudaFree");
  if (result != 0) {
    std::fprintf(stderr, "gpu_limits: cublasGemmEx: status %d\n", result);
    std::exit(1);
  }
  source = "cuBLAS " + std::to_string(version) + ", 8192 x 8192 x 8192, random";
  return rate;
}

std::string quoted(const char* text) {
  std::string out = "\"";
  for (; *text != '\0'; ++text) {
    if (*text == '"' || *text == '\\') out += '\\';
    out += *text;
  }
  return out + '"';
}

}  // namespace

int main(int argc, char** argv) {
  std::string library;
  double given = 0;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    char* end = nullptr;
    if (name == "--cublas" && i + 1 < argc) {
      library = argv[i + 1];
    } else if (name == "--gemm-flops" && i + 1 < argc && (given = std::strtod(argv[i + 1], &end)) > 0 && *end == '\0') {
      continue;
    } else {
      std::fprintf(stderr, "usage: gpu_limits [--cublas FILE] [--gemm-flops N]\n");
      return kUsage;
    }
  }
  int n = 0;
  const cudaError_t error = cudaGetDeviceCount(&n);
  if (error == cudaErrorNoDevice || error == cudaErrorInsufficientDriver || (error == cudaSuccess && n == 0)) {
    int installed = 0;
    const bool none = cudaDriverGetVersion(&installed) != cudaSuccess || installed == 0;
    std::fprintf(stderr, "gpu_limits: no device: %s\n",
                 none ? "no NVIDIA driver is installed" : cudaGetErrorString(error));
    return kNoDevice;
  }
  check(error, "cudaGetDeviceCount");
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
  int driver = 0, runtime = 0;
  check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  check(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
  const Rate copy = copy_rate();
  std::string source;
  const Rate gemm = gemm_rate(library, given, source);
  std::printf(
      "{\"device\":%s,\"compute_capability\":\"%d.%d\",\"driver\":%d,\"runtime\":%d,\n"
      " \"copy_bytes_per_second\":%.6g,\"copy_bytes_per_second_median\":%.6g,\n"
      " \"bf16_gemm_flops_per_second\":%.6g,\"bf16_gemm_flops_per_second_median\":%.6g,\"bf16_gemm_source\":%s}\n",
      quoted(properties.name).c_str(), properties.major, properties.minor, driver, runtime, copy.best, copy.median,
      gemm.best, gemm.median, quoted(source.c_str()).c_str());
  return 0;
}
