// Logits to token: pure, deterministic, no I/O.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "sampling/params.hpp"

namespace llorch::sampling {

struct TokenLogprob {
  std::int32_t token = 0;
  float logprob = 0.0F;  ///< natural logarithm of softmax(logits)[token], before penalties and temperature
};

/// log softmax of one token and of the `top` best, best first (ties to the lowest id). logits: (vocab)
struct Logprobs {
  TokenLogprob chosen;
  std::vector<TokenLogprob> top;
};
[[nodiscard]] Logprobs compute_logprobs(std::span<const float> logits, std::int32_t chosen, std::uint32_t top);

/// Index of the largest logit, ties to the lowest id. logits: (vocab), not empty.
[[nodiscard]] std::int32_t argmax(std::span<const float> logits);

/// One per sequence; owns the random stream. The order of the stages is documented in docs/sampling.md. Not
/// thread-safe.
class Sampler {
 public:
  Sampler(Params params, std::uint32_t vocab_size);

  /// Told of every token of the sequence, for the penalties.
  void accept_prompt(std::span<const std::int32_t> tokens);
  /// Chooses the next token and accepts it. logits: (vocab). NaN or infinite (other than -inf) logits: kInternal, state
  /// unchanged.
  [[nodiscard]] Result<std::int32_t> sample(std::span<const float> logits);

 private:
  struct Candidate {
    std::int32_t token;
    float logit;
    double weight;
  };
  Params params_;
  std::mt19937_64 random_;  ///< exactly specified by the C++ standard, hence the same on every machine
  std::vector<std::uint8_t> in_prompt_;
  std::vector<std::uint32_t> generated_count_;
  std::vector<std::int32_t> touched_;
  std::vector<Candidate> candidates_;
};

}  // namespace llorch::sampling
