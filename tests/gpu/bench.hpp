// Tokens per second on weights of a large model's shape, beside what the machine can do at best.
#pragma once

#include <string>
#include <vector>

#include "plugin.hpp"

namespace llorch::gpu_check {

struct BenchPlan {
  RandomShape shape;
  std::vector<std::string> types;                 ///< of weights: "F16", "Q8_0", ...
  std::vector<std::uint32_t> prompts{512, 2048};  ///< lengths
  std::vector<std::uint32_t> depths{0, 2048};     ///< cached tokens before a generation
  std::uint32_t generated = 64;
  int repetitions = 5;
  std::uint32_t kv_type = LLORCH_DTYPE_DEFAULT;
  double copy_bytes_per_second = 0, gemm_flops_per_second = 0;  ///< measured by gpu_limits; 0: not measured
};

/// Prints a table while it measures; returns an array of JSON objects.
std::string bench(const Plugin& plugin, const BenchPlan& plan);

}  // namespace llorch::gpu_check
