// The models that the checkpoint suites run on.
#pragma once

#include "support/checkpoints/checkpoints.hpp"

namespace llorch::testing::checkpoints {

inline const std::string plugin_name = "gpt2_cpu";
inline const std::string architecture = "gpt2";

/// The types of a cache that rounds nothing, and of one whose types nobody chose.
inline constexpr KvTypes kWideCache = {LLORCH_DTYPE_F32, LLORCH_DTYPE_F32};
inline constexpr KvTypes kDefaultCache = kWideCache;
/// Whether narrow caches are multiplied by queries in half precision.
inline constexpr bool kHalfScores = false;
/// Runs that must give the same bytes.
inline constexpr int kRepetitions = 100;

/// The queries and keys that scores are made of.
inline constexpr std::uint32_t kScoredQuery = LLORCH_TAP_Q;
inline constexpr std::uint32_t kScoredKey = LLORCH_TAP_K;

/// Random weights and awkward sizes (head_dim 20 and 12, FFN 151, 211 ids) in every weight type and both activations,
/// and the trained model that ships with the project.
inline const std::vector<TestedModel> tested_models = {
    {"random_f32", "tests/fixtures/gpt2_random", "tests/fixtures/gpt2_random/reference",
     "tests/fixtures/gpt2_random.gguf"},
    {"random_exact_gelu", "tests/fixtures/gpt2_random_gelu", "tests/fixtures/gpt2_random_gelu/reference"},
    {"random_f16", "tests/fixtures/gpt2_random_f16", "tests/fixtures/gpt2_random_f16/reference"},
    {"random_bf16", "tests/fixtures/gpt2_random_bf16", "tests/fixtures/gpt2_random_bf16/reference"},
    {"trained", "models/tiny-gpt2", "tests/fixtures/tiny_gpt2_reference"},
};
/// Those on which the suites of the cache run.
inline const std::vector<TestedModel>& cache_models() {
  return tested_models;
}
inline auto all_models() {
  return boost::unit_test::data::make(tested_models);
}

}  // namespace llorch::testing::checkpoints

#include "support/checkpoints/loaded.hpp"
