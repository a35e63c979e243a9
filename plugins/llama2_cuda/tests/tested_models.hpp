// The models that the checkpoint suites run on. The plugin is the one on the emulation of CUDA, unless
// LLORCH_TESTED_PLUGIN names another.
#pragma once

#include <cstdlib>

#include "support/checkpoints/checkpoints.hpp"

namespace llorch::testing::checkpoints {

inline const std::string plugin_name = "llama2_cuda";
inline const std::string architecture = "llama";

/// The types of a cache that rounds nothing, and of one whose types nobody chose.
inline constexpr KvTypes kWideCache = {LLORCH_DTYPE_F32, LLORCH_DTYPE_F32};
inline constexpr KvTypes kDefaultCache = {LLORCH_DTYPE_F16, LLORCH_DTYPE_F16};
/// Whether narrow caches are multiplied by queries in half precision.
inline constexpr bool kHalfScores = true;
/// Runs that must give the same bytes; the emulation takes its time for each.
inline const int kRepetitions = std::getenv("LLORCH_TESTED_PLUGIN") == nullptr ? 10 : 100;

/// The queries and keys that scores are made of.
inline constexpr std::uint32_t kScoredQuery = LLORCH_TAP_Q_ROTATED;
inline constexpr std::uint32_t kScoredKey = LLORCH_TAP_K_ROTATED;

/// What products in half precision may add to the tolerances of f32. With f16 weights each activation is rounded to 11
/// bits, an error of up to 2^-12 of it, with bf16 weights to the 16 bits of two bf16, 2^-17. The sum of a row w x then
/// errs by that share of |w| |x| where errors add up as random ones do: about 1e-3 and 3e-5 of the queries and logits
/// of these models, which reach 4. Scores are products of two such rows and reach 8; later layers get the errors of the
/// former ones. Found with f16: 1.04e-2 (scores of the second layer).
inline checkpoint::Tolerances rounded_by(double rounding) {
  checkpoint::Tolerances t;
  for (checkpoint::Tolerance* all :
       {&t.rotated, &t.later_norm, &t.qkv, &t.scores, &t.attention, &t.ffn, &t.block, &t.logits, &t.probabilities})
    all->absolute += rounding;
  return t;
}
inline const checkpoint::Tolerances kF16Weights = rounded_by(2e-2);
inline const checkpoint::Tolerances kBf16Weights = rounded_by(2e-4);

/// Those of llama2_cpu, with caches that round nothing; narrow_models() has the others.
inline const std::vector<TestedModel> every_model = {
    {"random_f32", "tests/fixtures/llama_random", "tests/fixtures/llama_random/reference",
     "tests/fixtures/llama_random.gguf", kWideCache},
    {"random_llama3_tied_bf16_sharded", "tests/fixtures/llama_random_llama3",
     "tests/fixtures/llama_random_llama3/reference", "tests/fixtures/llama_random_llama3.gguf", kWideCache,
     kBf16Weights},
    {"random_yarn_f16", "tests/fixtures/llama_random_yarn", "tests/fixtures/llama_random_yarn/reference",
     "tests/fixtures/llama_random_yarn.gguf", kWideCache, kF16Weights},
    {"random_linear", "tests/fixtures/llama_random_linear", "tests/fixtures/llama_random_linear/reference",
     "tests/fixtures/llama_random_linear.gguf", kWideCache},
    {"random_sliding_window", "tests/fixtures/mistral_random", "tests/fixtures/mistral_random/reference",
     "tests/fixtures/mistral_random.gguf", kWideCache},
    {"trained", "models/tiny-llama2.gguf", "tests/fixtures/tiny_llama2_reference", nullptr, kWideCache, kF16Weights},
};
/// The emulation takes minutes for all of them: unless LLORCH_EVERY_MODEL is set it runs one of f32 and one of f16.
/// (The cases that are about the trained model need the whole list.)
inline const bool kEveryModel =
    std::getenv("LLORCH_TESTED_PLUGIN") != nullptr || std::getenv("LLORCH_EVERY_MODEL") != nullptr;
inline const std::vector<TestedModel> tested_models =
    kEveryModel ? every_model : std::vector<TestedModel>{every_model[0], every_model[2]};
/// Those on which the suites of the cache run: all of them on a GPU, one of each type and window under emulation.
inline std::vector<TestedModel> cache_models() {
  if (std::getenv("LLORCH_TESTED_PLUGIN") != nullptr) return tested_models;
  if (!kEveryModel) return {every_model[0]};
  return {every_model[0], every_model[2], every_model[4]};
}
inline auto all_models() {
  return boost::unit_test::data::make(tested_models);
}

}  // namespace llorch::testing::checkpoints

#include "support/checkpoints/loaded.hpp"
