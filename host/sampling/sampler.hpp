// Logits to token: pure, deterministic, no I/O.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "sampling/nucleus.hpp"
#include "sampling/params.hpp"
#include "sampling/selection.hpp"

namespace llorch::sampling {

struct TokenLogprob {
  std::int32_t token = 0;
  float logprob = 0.0F;  ///< natural logarithm of softmax(logits)[token], before penalties and temperature
};

/// log softmax of one token and of the `top` best, best first (ties to the lowest id).
struct Logprobs {
  TokenLogprob chosen;
  std::vector<TokenLogprob> top;
};
/// logits: (vocab), checked with check_logits(); `chosen` below vocab. Sums in float64. A logit of -inf has logprob
/// -inf. `top` beyond the vocabulary gives the whole vocabulary. [any-thread]
[[nodiscard]] Logprobs compute_logprobs(std::span<const float> logits, std::int32_t chosen, std::uint32_t top);

/// Index of the largest logit, ties to the lowest id. logits: (vocab), not empty, no NaN. [any-thread]
[[nodiscard]] std::int32_t argmax(std::span<const float> logits);

/// What a plugin must never return: NaN, +inf, or -inf for every token. kInternal names the first bad id. [any-thread]
[[nodiscard]] Result<void> check_logits(std::span<const float> logits);

/// Every range in Params, and that biased ids are below `vocab_size`; kInvalidArgument names the field. [any-thread]
[[nodiscard]] Result<void> validate(const Params& params, std::uint32_t vocab_size);

/// One per sequence; owns the random stream. The order of the stages and their numerics are documented in
/// docs/sampling.md. Not thread-safe.
class Sampler {
 public:
  /// `params` must pass validate(); biased ids beyond the vocabulary are ignored.
  Sampler(Params params, std::uint32_t vocab_size);

  /// Told of every token of the sequence, for the penalties.
  void accept_prompt(std::span<const std::int32_t> tokens);
  /// Chooses the next token and accepts it. logits: (vocab). NaN or infinite (other than -inf) logits: kInternal, state
  /// unchanged.
  [[nodiscard]] Result<std::int32_t> sample(std::span<const float> logits);

 private:
  [[nodiscard]] bool edits_logits() const { return penalises_ || !params_.logit_bias.empty(); }
  void edit_logits(std::span<float> logits) const;
  [[nodiscard]] std::int32_t draw(std::span<const float> logits, float largest);
  void accept(std::int32_t token);

  Params params_;
  std::uint32_t vocab_size_;
  bool penalises_;
  std::mt19937_64 random_;          ///< exactly specified by the C++ standard, hence the same on every machine
  std::vector<std::uint8_t> seen_;  ///< (vocab) in prompt or generated; empty without penalties
  std::vector<std::uint32_t> generated_count_;  ///< (vocab) empty without penalties
  std::vector<std::int32_t> seen_tokens_;       ///< ids with seen_ set, each once
  std::vector<float> edited_;                   ///< (vocab) logits after bias and penalties
  std::vector<std::int32_t> tokens_;  ///< survivors, ascending ids; unused while all of the vocabulary survives
  std::vector<float> kept_;           ///< logits of what top-k left, in order of ids
  std::vector<Candidate> ranked_;     ///< scratch of top-k
  Nucleus nucleus_;
  std::vector<double> weights_;  ///< exp((logit - max) / temperature) of each survivor; 0 is removed
};

}  // namespace llorch::sampling
