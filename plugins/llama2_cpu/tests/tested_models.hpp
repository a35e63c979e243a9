// The models that the checkpoint suites run on.
#pragma once

#include "support/checkpoints/checkpoints.hpp"

namespace llorch::testing::checkpoints {

inline const std::string plugin_name = "llama2_cpu";
inline const std::string architecture = "llama";

/// The types of a cache that rounds nothing, and of one whose types nobody chose.
inline constexpr KvTypes kWideCache = {LLORCH_DTYPE_F32, LLORCH_DTYPE_F32};
inline constexpr KvTypes kDefaultCache = kWideCache;
/// Whether narrow caches are multiplied by queries in half precision.
inline constexpr bool kHalfScores = false;
/// Runs that must give the same bytes.
inline constexpr int kRepetitions = 100;

/// The queries and keys that scores are made of.
inline constexpr std::uint32_t kScoredQuery = LLORCH_TAP_Q_ROTATED;
inline constexpr std::uint32_t kScoredKey = LLORCH_TAP_K_ROTATED;

/// A small trained model in every quantized type, and one file of several. The references are of the dequantized
/// weights.
inline std::vector<TestedModel> make_quantized_models() {
  std::vector<TestedModel> out;
  for (const std::string type :
       {"q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_nl", "iq4_xs", "q4_k_m"}) {
    const std::string path = "tests/fixtures/quantized/" + type;
    out.push_back({type, path + ".gguf", path, nullptr, {}, checkpoint::quantized_tolerances()});
  }
  return out;
}
inline const std::vector<TestedModel> quantized_models = make_quantized_models();

/// Random weights and awkward sizes (head_dim 10, 8, 18, 12 and 14, FFN 151, 211 ids), each kind of rotary scaling,
/// f32, f16 and bf16, one file and several, own and tied heads, two, one, all and half as many heads of keys as of
/// queries, and a sliding window; the quantized files; last the trained model that ships with the project.
inline std::vector<TestedModel> make_tested_models() {
  std::vector<TestedModel> out = {
      {"random_f32", "tests/fixtures/llama_random", "tests/fixtures/llama_random/reference",
       "tests/fixtures/llama_random.gguf"},
      {"random_llama3_tied_bf16_sharded", "tests/fixtures/llama_random_llama3",
       "tests/fixtures/llama_random_llama3/reference", "tests/fixtures/llama_random_llama3.gguf"},
      {"random_yarn_f16", "tests/fixtures/llama_random_yarn", "tests/fixtures/llama_random_yarn/reference",
       "tests/fixtures/llama_random_yarn.gguf"},
      {"random_linear", "tests/fixtures/llama_random_linear", "tests/fixtures/llama_random_linear/reference",
       "tests/fixtures/llama_random_linear.gguf"},
      {"random_sliding_window", "tests/fixtures/mistral_random", "tests/fixtures/mistral_random/reference",
       "tests/fixtures/mistral_random.gguf"}};
  out.insert(out.end(), quantized_models.begin(), quantized_models.end());
  out.push_back({"trained", "models/tiny-llama2.gguf", "tests/fixtures/tiny_llama2_reference"});
  return out;
}
inline const std::vector<TestedModel> tested_models = make_tested_models();
/// Those on which the suites of the cache run.
inline const std::vector<TestedModel>& cache_models() {
  return tested_models;
}
inline auto all_models() {
  return boost::unit_test::data::make(tested_models);
}

}  // namespace llorch::testing::checkpoints

#include "support/checkpoints/loaded.hpp"
