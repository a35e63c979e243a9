// One request on its way through the engine: from the queue, through a slot, to its finish event.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/engine.hpp"
#include "engine/text_stream.hpp"

namespace llorch::engine {

using Clock = std::chrono::steady_clock;

/// Owned by the engine's thread from the moment it leaves the queue, but for `cancelled`.
class Sequence {
 public:
  Sequence(Request request, std::shared_ptr<Listener> listener, const tokenizer::Tokenizer& tokenizer,
           std::uint32_t vocab_size);

  const Request request;
  const std::shared_ptr<Listener> listener;
  std::atomic<bool> cancelled = false;  ///< set under the engine's lock by any thread, never cleared
  bool in_batch = false;                ///< a running forward() computes it; guarded by the engine's lock

  std::uint32_t slot = 0;            ///< also its sequence id across the ABI
  std::vector<std::int32_t> tokens;  ///< prompt, then what was generated
  std::uint32_t fed = 0;             ///< of `tokens`, how many are in the KV cache

  /// Tokens that the next steps must feed. One is decoding, more is prefill.
  /// None when a reused prefix already holds all that was asked for.
  [[nodiscard]] std::uint32_t pending() const { return target() > fed ? target() - fed : 0; }
  /// Whether the row that feeds tokens[index] must return logits.
  [[nodiscard]] bool wants_logits(std::uint32_t index) const;
  [[nodiscard]] bool scores_row(std::uint32_t index) const;

  /// Leaves the queue for `slot`, whose KV cache holds the first `cached` tokens already.
  void start(std::uint32_t in_slot, std::uint32_t cached);
  /// Takes the logits of the row that fed tokens[index]: scores the prompt, or samples and emits a token. May finish.
  void take_logits(std::uint32_t index, std::span<const float> logits, std::uint32_t context_length);
  /// After a step in which it had rows: finishes a request that only scores its prompt.
  void after_step();

  void finish(StopReason reason, std::optional<Error> error = std::nullopt);
  [[nodiscard]] bool finished() const { return finish_.has_value(); }
  [[nodiscard]] bool failed() const { return finish_ && finish_->reason == StopReason::kError; }
  [[nodiscard]] bool has_slot() const { return started_.has_value(); }
  /// The event for the listener. Call once, when finished().
  [[nodiscard]] FinishEvent take_finish_event();

  [[nodiscard]] std::uint32_t generated() const {
    return static_cast<std::uint32_t>(tokens.size() - request.prompt.size());
  }

 private:
  [[nodiscard]] std::uint32_t target() const;
  void end_of_prompt();
  void emit(std::int32_t token, std::span<const float> logits, std::uint32_t context_length);

  sampling::Sampler sampler_;
  TextStream text_;
  const tokenizer::Tokenizer* tokenizer_;
  std::vector<sampling::Logprobs> scores_;
  std::uint32_t cached_ = 0;
  std::optional<FinishEvent> finish_;
  Clock::time_point submitted_ = Clock::now();
  std::optional<Clock::time_point> started_, prompt_done_, first_token_;
};

}  // namespace llorch::engine
