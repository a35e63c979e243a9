// What this machine can do at most: the yardstick of `bench`.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.hpp"

namespace llorch::tools {

struct MachineLimits {
  std::uint32_t threads = 1;
  double read_bytes_per_second = 0;  ///< from memory, all threads together
  double flops_per_second = 0;       ///< float32 multiply-adds from registers, two operations each
  std::string instructions;          ///< of the arithmetic loop: "AVX-512", "AVX2 + FMA", "baseline"
  std::uint64_t buffer_bytes = 0;    ///< that was read
  std::uint64_t cache_bytes = 0;     ///< the machine's largest cache; 0 = unknown
  /// A buffer under four times the cache measures the cache, at least in part.
  [[nodiscard]] bool from_memory() const { return cache_bytes > 0 && buffer_bytes >= 4 * cache_bytes; }
};

/// Takes about a second: the best of several passes, each thread on its own part of a buffer of four times the largest
/// cache (between 256 MiB and a quarter of the free memory). Run it when nothing else runs.
/// kResourceExhausted when the threads cannot be started.
[[nodiscard]] Result<MachineLimits> measure_limits(std::uint32_t threads);

}  // namespace llorch::tools
