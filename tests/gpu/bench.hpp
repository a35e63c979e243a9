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
  std::uint32_t kv_type = LLORCH_DTYPE_F16;
  double copy_bytes_per_second = 0, gemm_flops_per_second = 0;  ///< as gpu_limits says; 0: not known
  std::string gemm_source;                                      ///< where the latter comes from
};

struct BenchResult {
  std::string json;  ///< an array, one object a line of the table, or one with "error" for what failed
  bool passed = true;
};

/// Prints a table while it measures. A type fails whose models are refused or whose logits are not finite or all equal;
/// the others go on.
BenchResult bench(const Plugin& plugin, const BenchPlan& plan);

}  // namespace llorch::gpu_check
