#include "tools/machine_limits.hpp"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace llorch::tools {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kMinBuffer = 256ULL << 20;
constexpr int kReadPasses = 5;
constexpr int kFmaPasses = 5;
constexpr std::uint64_t kFmaRounds = 4'000'000;

/// One pass over `words` (a multiple of 64); the sum keeps the compiler from dropping the reads.
using ReadFn = std::uint64_t (*)(const std::uint64_t* words, std::size_t n);
/// `rounds` rounds of independent multiply-adds; returns something that depends on all of them.
using FmaFn = float (*)(std::uint64_t rounds);

struct Kernels {
  const char* name;
  ReadFn read;
  FmaFn fma;
  double flops_per_round;
};

std::uint64_t read_baseline(const std::uint64_t* words, std::size_t n) {
  std::uint64_t sum[8] = {};
  for (std::size_t i = 0; i < n; i += 8) {
    for (std::size_t j = 0; j < 8; ++j) {
      sum[j] += words[i + j];
    }
  }
  return sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7];
}

// Multiply-adds have a latency of four or five cycles on two ports, so at least ten must be under way.
constexpr int kChains = 12;

float fma_baseline(std::uint64_t rounds) {
  constexpr int kFloats = 4 * kChains;
  float a[kFloats];
  std::fill(std::begin(a), std::end(a), 1.0F);
  for (std::uint64_t r = 0; r < rounds; ++r) {
    for (float& x : a) {
      x = x * 0.999F + 0.001F;
    }
  }
  float sum = 0;
  for (const float x : a) {
    sum += x;
  }
  return sum;
}

#if defined(__x86_64__)

__attribute__((target("avx2"))) std::uint64_t read_avx2(const std::uint64_t* words, std::size_t n) {
  __m256i sum[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256()};
  for (std::size_t i = 0; i < n; i += 16) {
    for (int j = 0; j < 4; ++j) {
      sum[j] = _mm256_add_epi64(sum[j], _mm256_load_si256(reinterpret_cast<const __m256i*>(words + i) + j));
    }
  }
  alignas(32) std::uint64_t out[4];
  const __m256i all = _mm256_add_epi64(_mm256_add_epi64(sum[0], sum[1]), _mm256_add_epi64(sum[2], sum[3]));
  _mm256_store_si256(reinterpret_cast<__m256i*>(out), all);
  return out[0] + out[1] + out[2] + out[3];
}

__attribute__((target("avx2,fma"))) float fma_avx2(std::uint64_t rounds) {
  __m256 a[kChains];
  for (__m256& x : a) {
    x = _mm256_set1_ps(1.0F);
  }
  const __m256 m = _mm256_set1_ps(0.999F);
  const __m256 c = _mm256_set1_ps(0.001F);
  for (std::uint64_t r = 0; r < rounds; ++r) {
    for (__m256& x : a) {
      x = _mm256_fmadd_ps(x, m, c);
    }
  }
  alignas(32) float out[8];
  __m256 sum = a[0];
  for (int i = 1; i < kChains; ++i) {
    sum = _mm256_add_ps(sum, a[i]);
  }
  _mm256_store_ps(out, sum);
  return out[0] + out[7];
}

__attribute__((target("avx512f"))) std::uint64_t read_avx512(const std::uint64_t* words, std::size_t n) {
  __m512i sum[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
  for (std::size_t i = 0; i < n; i += 32) {
    for (int j = 0; j < 4; ++j) {
      sum[j] = _mm512_add_epi64(sum[j], _mm512_load_si512(words + i + 8 * static_cast<std::size_t>(j)));
    }
  }
  alignas(64) std::uint64_t out[8];
  _mm512_store_si512(out, _mm512_add_epi64(_mm512_add_epi64(sum[0], sum[1]), _mm512_add_epi64(sum[2], sum[3])));
  std::uint64_t total = 0;
  for (const std::uint64_t x : out) {
    total += x;
  }
  return total;
}

__attribute__((target("avx512f"))) float fma_avx512(std::uint64_t rounds) {
  __m512 a[kChains];
  for (__m512& x : a) {
    x = _mm512_set1_ps(1.0F);
  }
  const __m512 m = _mm512_set1_ps(0.999F);
  const __m512 c = _mm512_set1_ps(0.001F);
  for (std::uint64_t r = 0; r < rounds; ++r) {
    for (__m512& x : a) {
      x = _mm512_fmadd_ps(x, m, c);
    }
  }
  alignas(64) float out[16];
  __m512 sum = a[0];
  for (int i = 1; i < kChains; ++i) {
    sum = _mm512_add_ps(sum, a[i]);
  }
  _mm512_store_ps(out, sum);
  return out[0] + out[15];
}

#endif

Kernels choose_kernels() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f")) return {"AVX-512", read_avx512, fma_avx512, 2.0 * 16 * kChains};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return {"AVX2 + FMA", read_avx2, fma_avx2, 2.0 * 8 * kChains};
  }
#endif
  return {"baseline", read_baseline, fma_baseline, 2.0 * 4 * kChains};
}

std::uint64_t largest_cache() {
  long bytes = 0;
  for (const int level : {_SC_LEVEL4_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE, _SC_LEVEL2_CACHE_SIZE}) {
    bytes = std::max(bytes, sysconf(level));
  }
  return static_cast<std::uint64_t>(bytes);
}

std::uint64_t buffer_size(std::uint64_t cache) {
  const long pages = sysconf(_SC_AVPHYS_PAGES);
  const std::uint64_t free = pages > 0 ? static_cast<std::uint64_t>(pages) * sysconf(_SC_PAGESIZE) : 4 * kMinBuffer;
  return std::min(std::max(4 * cache, kMinBuffer), std::max(free / 4, kMinBuffer));
}

/// Runs `work(thread)` on all threads at once, `passes` times; the seconds of the fastest pass.
template <class Work>
Result<double> fastest(std::uint32_t threads, int passes, Work work) {
  double best = 1e300;
  Clock::time_point begin;
  // The last to arrive stamps the clock, before anybody is let through.
  std::barrier start(threads, [&]() noexcept { begin = Clock::now(); });
  std::barrier finish(
      threads, [&]() noexcept { best = std::min(best, std::chrono::duration<double>(Clock::now() - begin).count()); });
  enum : int { kWaiting, kGo, kGiveUp };
  std::atomic<int> order = kWaiting;  // nobody enters a barrier before all who must come there exist
  const auto body = [&](std::uint32_t t) {
    order.wait(kWaiting);
    if (order == kGiveUp) return;
    for (int pass = 0; pass < passes; ++pass) {
      start.arrive_and_wait();
      work(t);
      finish.arrive_and_wait();
    }
  };
  std::vector<std::thread> others;
  others.reserve(threads);
  std::string problem;
  try {
    for (std::uint32_t t = 1; t < threads; ++t)
      others.emplace_back(body, t);
  } catch (const std::system_error& error) {
    problem = error.what();
  }
  order = problem.empty() ? kGo : kGiveUp;
  order.notify_all();
  body(0);
  for (std::thread& t : others) {
    t.join();
  }
  if (problem.empty()) return best;
  return make_error(ErrorCode::kResourceExhausted, fmt::format("expected to start {} threads, found room for {}: {}",
                                                               threads, others.size() + 1, problem));
}

struct Free {
  void operator()(void* p) const noexcept { std::free(p); }
};

}  // namespace

Result<MachineLimits> measure_limits(std::uint32_t threads) {
  const Kernels kernels = choose_kernels();
  MachineLimits limits;
  limits.threads = threads;
  limits.instructions = kernels.name;
  limits.cache_bytes = largest_cache();

  constexpr std::size_t kAlignment = 4096;
  const std::size_t part = buffer_size(limits.cache_bytes) / threads / kAlignment * kAlignment;
  limits.buffer_bytes = part * threads;
  const std::unique_ptr<void, Free> memory(std::aligned_alloc(kAlignment, limits.buffer_bytes));
  auto* words = static_cast<std::uint64_t*>(memory.get());
  std::atomic<std::uint64_t> sink = 0;
  if (words != nullptr) {
    const std::size_t n = part / sizeof(std::uint64_t);
    // Each thread writes its own part first, so that its pages lie near it.
    const auto filled = fastest(threads, 1, [&](std::uint32_t t) { std::fill_n(words + t * n, n, t + 1); });
    if (!filled) return filled.error();
    const auto seconds =
        fastest(threads, kReadPasses, [&](std::uint32_t t) { sink += kernels.read(words + t * n, n); });
    if (!seconds) return seconds.error();
    limits.read_bytes_per_second = static_cast<double>(limits.buffer_bytes) / *seconds;
  } else {
    limits.buffer_bytes = 0;
  }
  const auto seconds =
      fastest(threads, kFmaPasses, [&](std::uint32_t) { sink += static_cast<std::uint64_t>(kernels.fma(kFmaRounds)); });
  if (!seconds) return seconds.error();
  limits.flops_per_second = threads * kernels.flops_per_round * static_cast<double>(kFmaRounds) / *seconds;
  return limits;
}

}  // namespace llorch::tools
