#include "api/completion_answer.hpp"

#include <spdlog/fmt/fmt.h>

#include <utility>

#include "api/clock.hpp"
#include "api/generation.hpp"
#include "api/openai_error.hpp"
#include "api/prompt_tokens.hpp"
#include "api/random_id.hpp"
#include "http/sse.hpp"

namespace llorch::api {
namespace {

std::optional<Error> failure_of(const engine::FinishEvent& end) {
  if (end.error) return end.error;
  if (end.reason == engine::StopReason::kCancelled) {
    return make_error(ErrorCode::kCancelled, "the request was cancelled");
  }
  return std::nullopt;
}

Answer answer_whole(Completion& completion, Generation& generation, http::Exchange& exchange) {
  while (!generation.done()) {
    std::vector<ChannelEvent> events = co_await generation.next();
    for (ChannelEvent& event : events)
      completion.take(std::move(event), nullptr);
    if (completion.failure()) generation.cancel();
  }
  http::Response response;
  if (completion.failure()) {
    response = openai_error(*completion.failure());
  } else {
    response.body = completion.whole();
  }
  co_await exchange.respond(std::move(response));
}

// The stream begins with its first chunk, so that a failure before it still has a status of its own.
Answer answer_stream(Completion& completion, Generation& generation, http::Exchange& exchange) {
  bool begun = false;
  bool gone = false;
  while (!generation.done()) {
    std::string out;
    std::vector<ChannelEvent> events = co_await generation.next();
    for (ChannelEvent& event : events)
      completion.take(std::move(event), &out);
    if (completion.failure()) generation.cancel();
    if (gone || out.empty()) continue;
    if (!begun) {
      begun = true;
      http::Headers headers;  // the transport adds those of every stream
      gone = !co_await exchange.begin_stream(std::move(headers));
    }
    if (!gone) gone = !co_await exchange.write(std::move(out));
    if (gone) generation.cancel();
  }
  if (!begun) {
    http::Response refusal = openai_error(*completion.failure());
    co_await exchange.respond(std::move(refusal));
    co_return;
  }
  if (gone) co_return;
  std::string last;
  if (generation.overflowed()) {
    last = http::sse_data(openai_error_json(503, "the client reads too slowly: too many tokens waited for it"));
  } else if (completion.failure()) {
    const Error& error = *completion.failure();
    last = http::sse_data(openai_error_json(http_status(error.code), error.message, {}, to_string(error.code)));
  } else {
    completion.append_end(last);
  }
  if (co_await exchange.write(std::move(last))) co_await exchange.end_stream();
}

http::Response not_serving(Status status) {
  return openai_error(503, fmt::format("the worker is {}", to_string(status)));
}

http::Response refused(const std::vector<Fault>& faults) {
  for (const Fault& fault : faults) {
    if (exceeds_context(fault)) return openai_error(400, fault.message, fault.field, "context_length_exceeded");
  }
  return openai_error(faults);
}

}  // namespace

Refusals openai_refusals() {
  return {not_serving, refused};
}

Completion::Completion(const Worker& worker, const Backend& backend, AnswerKind kind, GenerationOptions options,
                       std::vector<std::vector<std::int32_t>> prompts, bool echo)
    : options_(std::move(options)), echo_(echo), prompts_(std::move(prompts)), tokenizer_(*backend.tokenizer) {
  head_ = {kind, random_id(kind == AnswerKind::kChat ? "chatcmpl-" : "cmpl-"), worker.identity().model_name,
           unix_seconds(std::chrono::system_clock::now())};
  choices_.assign(prompts_.size() * options_.n, Choice(tokenizer_));
  if (!options_.has_seed) options_.sampling.seed = random_seed();
}

std::vector<engine::Request> Completion::sequences() const {
  std::vector<engine::Request> list;
  for (const std::vector<std::int32_t>& prompt : prompts_) {
    for (std::uint32_t j = 0; j < options_.n; ++j) {
      engine::Request sequence;
      sequence.id = choices_.size() == 1 ? head_.id : fmt::format("{}-{}", head_.id, list.size());
      sequence.prompt = prompt;
      sequence.max_tokens = options_.max_tokens;
      sequence.sampling = options_.sampling;
      sequence.sampling.seed += j;
      sequence.stop = options_.stop;
      sequence.ignore_eos = options_.ignore_eos;
      sequence.logprobs = options_.logprobs;
      sequence.prompt_logprobs = echo_ && options_.logprobs.has_value();
      list.push_back(std::move(sequence));
    }
  }
  return list;
}

void Completion::take(ChannelEvent event, std::string* out) {
  Choice& choice = choices_[event.choice];
  const std::size_t log_begin = choice.log.size();
  std::string text;
  if (std::holds_alternative<Started>(event.body)) {
    if (echo_ && !options_.logprobs) text = echoed(event.choice, choice, {});
  } else if (auto* scores = std::get_if<PromptScores>(&event.body)) {
    text = echoed(event.choice, choice, std::move(*scores));
  } else if (auto* token = std::get_if<engine::TokenEvent>(&event.body)) {
    text = std::move(token->text);
    if (options_.logprobs) choice.log.add(token->token, std::move(token->logprobs));
  } else if (auto* end = std::get_if<engine::FinishEvent>(&event.body)) {
    text = std::move(end->text);
    choice.finish = std::move(*end);
    count(event.choice, *choice.finish);
    if (!failure_) failure_ = failure_of(*choice.finish);
  }
  if (out == nullptr) {
    choice.text += text;
    return;
  }
  if (failure_ || (text.empty() && choice.log.size() == log_begin && !choice.finish)) return;
  Chunk chunk;
  chunk.index = event.choice;
  chunk.is_first = !std::exchange(choice.begun, true);
  chunk.text = text;
  chunk.log = options_.logprobs ? &choice.log : nullptr;
  chunk.log_begin = log_begin;
  chunk.finish = choice.finish ? &*choice.finish : nullptr;
  chunk.usage_follows = options_.include_usage;
  append_chunk(*out, head_, chunk);
}

std::string Completion::whole() const {
  return completion_json(head_, choices_, options_.logprobs.has_value(), usage_);
}

void Completion::append_end(std::string& out) const {
  if (options_.include_usage) append_usage_chunk(out, head_, usage_);
  out += http::sse_data("[DONE]");
}

std::string Completion::echoed(std::uint32_t index, Choice& choice, PromptScores scores) {
  const std::vector<std::int32_t>& prompt = prompts_[index / options_.n];
  if (options_.logprobs) {
    choice.log.add(prompt[0], std::nullopt);
    for (std::size_t i = 0; i < scores.size(); ++i)
      choice.log.add(prompt[i + 1], std::move(scores[i]));
  }
  return tokenizer_.decode(prompt);
}

void Completion::count(std::uint32_t index, const engine::FinishEvent& end) {
  usage_.completion_tokens += end.completion_tokens;
  if (index % options_.n != 0) return;
  usage_.prompt_tokens += end.prompt_tokens;
  usage_.cached_tokens += end.cached_tokens;
}

Answer answer(Worker& worker, const std::shared_ptr<const Backend>& backend, Completion& completion,
              http::Exchange& exchange) {
  Generation generation(worker, backend, exchange.executor());
  const Result<void> queued = generation.submit(completion.sequences());
  if (queued.has_error()) {
    http::Response refusal = openai_error(queued.error());
    co_await exchange.respond(std::move(refusal));
    co_return;
  }
  exchange.on_disconnect(generation.canceller());
  if (completion.streams()) {
    co_await answer_stream(completion, generation, exchange);
  } else {
    co_await answer_whole(completion, generation, exchange);
  }
}

}  // namespace llorch::api
