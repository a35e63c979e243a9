// Times forward passes the way llama-bench does, through the plugin's context and nothing else.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "plugin/plugin.hpp"
#include "tools/kv_type.hpp"

namespace llorch::tools {

/// One test: a prompt of n tokens in chunks, or n tokens one by one; from an empty cache, with random tokens.
struct BenchTest {
  enum class Kind : std::uint8_t { kPrompt, kGeneration };
  Kind kind = Kind::kPrompt;
  std::uint32_t n = 0;
  [[nodiscard]] std::string name() const;  ///< "pp512", "tg128"
};

struct BenchPlan {
  std::vector<BenchTest> tests;
  std::vector<std::uint32_t> threads;
  std::uint32_t repetitions = 5;
  std::uint32_t batch_tokens = 512;  ///< largest chunk of a prompt
  KvTypes kv = {};
};

struct BenchResult {
  BenchTest test;
  std::uint32_t threads = 1;
  std::vector<double> seconds;              ///< of each repetition
  double kv_bytes_per_token = 0;            ///< of the context that was made for it
  double mean = 0, stddev = 0, median = 0;  ///< tokens per second; the sample's standard deviation
};

/// All tests with all thread counts, after one warm-up each. `progress` hears of each test before it runs.
/// kInvalidArgument: a test longer than the model's context.
[[nodiscard]] Result<std::vector<BenchResult>> measure(
    plugin::Model& model, const BenchPlan& plan,
    const std::function<void(const BenchTest&, std::uint32_t threads)>& progress);

}  // namespace llorch::tools
