#include "engine/sequence.hpp"

#include <spdlog/fmt/fmt.h>

#include <utility>

namespace llorch::engine {
namespace {

double seconds(Clock::duration d) {
  return std::chrono::duration<double>(d).count();
}

}  // namespace

Sequence::Sequence(Request r, std::shared_ptr<Listener> l, const tokenizer::Tokenizer& tokenizer,
                   std::uint32_t vocab_size)
    : request(std::move(r)),
      listener(std::move(l)),
      tokens(request.prompt),
      sampler_(request.sampling, vocab_size),
      text_(tokenizer, request.stop),
      tokenizer_(&tokenizer) {}

std::uint32_t Sequence::target() const {
  const auto n = static_cast<std::uint32_t>(tokens.size());
  if (request.max_tokens > 0) return n;
  return request.prompt_logprobs ? n - 1 : 0;  // what follows the last prompt token is not asked for
}

bool Sequence::scores_row(std::uint32_t index) const {
  return request.prompt_logprobs && index + 1 < request.prompt.size();
}

bool Sequence::wants_logits(std::uint32_t index) const {
  return scores_row(index) || index + 1 == tokens.size();
}

void Sequence::start(std::uint32_t in_slot, std::uint32_t cached) {
  slot = in_slot;
  fed = cached_ = cached;
  started_ = Clock::now();
  sampler_.accept_prompt(request.prompt);
  listener->on_started();
  after_step();
}

void Sequence::after_step() {
  if (request.max_tokens == 0 && pending() == 0 && !finished()) {
    end_of_prompt();
    finish(StopReason::kMaxTokens);
  }
}

void Sequence::end_of_prompt() {
  prompt_done_ = Clock::now();
  if (request.prompt_logprobs) listener->on_prompt_scored(std::move(scores_));
}

void Sequence::take_logits(std::uint32_t index, std::span<const float> logits, std::uint32_t context_length) {
  if (finished()) return;
  if (scores_row(index)) {
    if (prompt_done_ || index < scores_.size()) return;  // fed again after a fault
    if (auto ok = sampling::check_logits(logits); !ok) {
      finish(StopReason::kError,
             make_error(ok.error().code, fmt::format("prompt token {}: {}", index, ok.error().message)));
      return;
    }
    scores_.push_back(sampling::compute_logprobs(logits, request.prompt[index + 1], request.logprobs.value_or(0)));
    return;
  }
  auto token = sampler_.sample(logits);
  if (!token) {
    finish(StopReason::kError,
           make_error(token.error().code, fmt::format("generated token {}: {}", generated(), token.error().message)));
    return;
  }
  if (!prompt_done_) end_of_prompt();
  emit(*token, logits, context_length);
}

void Sequence::emit(std::int32_t token, std::span<const float> logits, std::uint32_t context_length) {
  if (!first_token_) first_token_ = Clock::now();
  if (!request.ignore_eos && tokenizer_->ends_generation(token)) {
    finish(StopReason::kEos);
    return;
  }
  TokenEvent event;
  event.token = token;
  event.index = generated();
  if (request.logprobs) event.logprobs = sampling::compute_logprobs(logits, token, *request.logprobs);
  TextStream::Piece piece = text_.push(token);
  event.text = std::move(piece.text);
  tokens.push_back(token);
  listener->on_token(std::move(event));
  if (piece.stop) {
    finish(StopReason::kStopSequence);
    finish_->stop_sequence = request.stop[*piece.stop];
  } else if (generated() >= request.max_tokens) {
    finish(StopReason::kMaxTokens);
  } else if (tokens.size() > context_length) {
    finish(StopReason::kContextFull);  // the new token has no position left to be fed at
  }
}

void Sequence::finish(StopReason reason, std::optional<Error> error) {
  if (finished()) return;
  const auto now = Clock::now();
  FinishEvent& event = finish_.emplace();
  event.reason = reason;
  event.error = std::move(error);
  event.text = text_.finish();
  event.prompt_tokens = static_cast<std::uint32_t>(request.prompt.size());
  event.completion_tokens = generated();
  event.cached_tokens = cached_;
  event.timings.queue = seconds(started_.value_or(now) - submitted_);
  if (started_) event.timings.prompt = seconds(prompt_done_.value_or(now) - *started_);
  if (first_token_) {
    event.timings.decode = seconds(now - *first_token_);
    event.timings.time_to_first_token = seconds(*first_token_ - submitted_);
  }
}

FinishEvent Sequence::take_finish_event() {
  // Whoever was told that the cancellation took effect must find it in the event.
  if (cancelled && finish_->reason != StopReason::kError) {
    finish_->reason = StopReason::kCancelled;
    finish_->stop_sequence.clear();
  }
  return std::move(*finish_);
}

}  // namespace llorch::engine
