#include "sampling/rows.hpp"

#include <algorithm>
#include <limits>

#include "sampling/numerics.hpp"

// The bodies are inlined into one function per instruction set. The wider sets bring no fused operations: the room is
// compiled with -ffp-contract=off. Explicit dispatch, because sanitizers do not run before ifunc resolvers do.
#define LLORCH_INLINE [[gnu::always_inline]] inline

namespace llorch::sampling {
namespace {

/// Lanes let the compiler vectorise; neither answer depends on the order.
LLORCH_INLINE RowScan scan_body(const float* logits, std::size_t n) {
  constexpr std::size_t kLanes = 32;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  float best[kLanes];
  std::uint32_t bad[kLanes];
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    best[lane] = -kInfinity;
    bad[lane] = 0;
  }
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const float x = logits[i + lane];
      best[lane] = x > best[lane] ? x : best[lane];
      bad[lane] |= x < kInfinity ? 0U : 1U;  // NaN compares false with everything
    }
  }
  for (; i < n; ++i) {
    const float x = logits[i];
    best[0] = x > best[0] ? x : best[0];
    bad[0] |= x < kInfinity ? 0U : 1U;
  }
  RowScan scan{best[0], true};
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    scan.largest = best[lane] > scan.largest ? best[lane] : scan.largest;
    scan.sound = scan.sound && bad[lane] == 0;
  }
  return scan;
}

LLORCH_INLINE void weigh_body(const float* logits, std::size_t n, double largest, double inverse_temperature,
                              double* weights) {
  for (std::size_t i = 0; i < n; ++i) {
    weights[i] = exp_nonpositive((static_cast<double>(logits[i]) - largest) * inverse_temperature);
  }
}

#if defined(__x86_64__)
enum class Isa : std::uint8_t { kBaseline, kAvx2, kAvx512 };

Isa best_isa() {
  static const Isa best = [] {
    if (__builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512dq") != 0) return Isa::kAvx512;
    return __builtin_cpu_supports("avx2") != 0 ? Isa::kAvx2 : Isa::kBaseline;
  }();
  return best;
}

[[gnu::target("avx2")]] RowScan scan_avx2(const float* logits, std::size_t n) {
  return scan_body(logits, n);
}
[[gnu::target("avx512f,avx512dq")]] RowScan scan_avx512(const float* logits, std::size_t n) {
  return scan_body(logits, n);
}
[[gnu::target("avx2")]] void weigh_avx2(const float* logits, std::size_t n, double largest, double inverse_temperature,
                                        double* weights) {
  weigh_body(logits, n, largest, inverse_temperature, weights);
}
[[gnu::target("avx512f,avx512dq")]] void weigh_avx512(const float* logits, std::size_t n, double largest,
                                                      double inverse_temperature, double* weights) {
  weigh_body(logits, n, largest, inverse_temperature, weights);
}
#endif

}  // namespace

RowScan scan_row(std::span<const float> logits) {
#if defined(__x86_64__)
  if (best_isa() == Isa::kAvx512) return scan_avx512(logits.data(), logits.size());
  if (best_isa() == Isa::kAvx2) return scan_avx2(logits.data(), logits.size());
#endif
  return scan_body(logits.data(), logits.size());
}

void weigh_row(std::span<const float> logits, double largest, double inverse_temperature, double* weights) {
#if defined(__x86_64__)
  if (best_isa() == Isa::kAvx512) {
    return weigh_avx512(logits.data(), logits.size(), largest, inverse_temperature, weights);
  }
  if (best_isa() == Isa::kAvx2) {
    return weigh_avx2(logits.data(), logits.size(), largest, inverse_temperature, weights);
  }
#endif
  weigh_body(logits.data(), logits.size(), largest, inverse_temperature, weights);
}

}  // namespace llorch::sampling
