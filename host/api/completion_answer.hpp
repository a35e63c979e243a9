// The answer of a generating route of OpenAI: the events of all its choices, gathered and written, whole or as a
// stream.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/admission.hpp"
#include "api/completion_response.hpp"
#include "api/event_channel.hpp"
#include "api/generation_options.hpp"
#include "api/handlers.hpp"
#include "engine/engine.hpp"

namespace llorch::api {

/// Gathers the events of all choices and writes them.
class Completion {
 public:
  /// One answer to `prompts`, with options.n choices each. `echo`: the prompt comes before the answer. `backend`
  /// outlives this.
  Completion(const Worker& worker, const Backend& backend, AnswerKind kind, GenerationOptions options,
             std::vector<std::vector<std::int32_t>> prompts, bool echo);

  [[nodiscard]] bool streams() const { return options_.stream; }
  /// One sequence a choice; choice p * n + j samples prompt p with seed + j.
  [[nodiscard]] std::vector<engine::Request> sequences() const;
  /// Takes one event in. Stream chunks are appended to `out` if it is not null.
  void take(ChannelEvent event, std::string* out);
  /// The first failure of a choice; it is the failure of the answer.
  [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }
  [[nodiscard]] std::string whole() const;
  void append_end(std::string& out) const;

 private:
  std::string echoed(std::uint32_t index, Choice& choice, PromptScores scores);
  void count(std::uint32_t index, const engine::FinishEvent& end);

  GenerationOptions options_;
  bool echo_;
  std::vector<std::vector<std::int32_t>> prompts_;
  const tokenizer::Tokenizer& tokenizer_;
  CompletionHead head_;
  std::vector<Choice> choices_;
  Usage usage_;
  std::optional<Error> failure_;
};

/// Queues the completion's sequences and answers with what they give. [io-thread]
Answer answer(Worker& worker, const std::shared_ptr<const Backend>& backend, Completion& completion,
              http::Exchange& exchange);

/// How OpenAI's routes word what admit() refuses.
[[nodiscard]] Refusals openai_refusals();

}  // namespace llorch::api
