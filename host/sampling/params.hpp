// What a request may ask of the sampler.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace llorch::sampling {

struct Params {
  float temperature = 1.0F;         ///< 0..2; below 1e-6 is greedy (argmax, ties to the lowest id)
  std::uint32_t top_k = 0;          ///< 0 is off
  float top_p = 1.0F;               ///< 0..1; 1 is off
  float min_p = 0.0F;               ///< 0..1; 0 is off
  float repetition_penalty = 1.0F;  ///< 0..2; 1 is off; over prompt and generated tokens
  float presence_penalty = 0.0F;    ///< -2..2; over generated tokens
  float frequency_penalty = 0.0F;   ///< -2..2; over generated tokens
  std::uint64_t seed = 42;
  std::vector<std::pair<std::int32_t, float>> logit_bias = {};  ///< token id, added to its logit
};

}  // namespace llorch::sampling
