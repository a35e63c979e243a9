// POST /v1/completions.
#include <spdlog/fmt/fmt.h>

#include "api/admission.hpp"
#include "api/clock.hpp"
#include "api/completion_request.hpp"
#include "api/completion_response.hpp"
#include "api/generation.hpp"
#include "api/handlers.hpp"
#include "api/openai_error.hpp"
#include "api/prompt_tokens.hpp"
#include "api/random_id.hpp"
#include "http/sse.hpp"

namespace llorch::api {
namespace {

struct Prepared {
  Parsed<CompletionRequest> parsed;
  std::vector<std::vector<std::int32_t>> prompts;
};

// [any-thread]
Prepared prepare(const std::string& body, const Backend& backend) {
  const tokenizer::Tokenizer& tokenizer = *backend.tokenizer;
  Prepared prepared{parse_completion_request(body, {tokenizer.vocab_size(), backend.capacity}), {}};
  std::vector<Fault>& faults = prepared.parsed.faults;
  if (!faults.empty()) return prepared;
  std::vector<Prompt>& prompts = prepared.parsed.request.prompts;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    auto* ids = std::get_if<std::vector<std::int32_t>>(&prompts[i]);
    std::vector<std::int32_t> tokens =
        ids != nullptr ? std::move(*ids) : encode_prompt(tokenizer, std::get<std::string>(prompts[i]));
    if (tokens.empty() && tokenizer.bos()) tokens.push_back(*tokenizer.bos());
    const std::string field = prompts.size() == 1 ? "prompt" : fmt::format("prompt[{}]", i);
    check_prompt_length(field, tokens.size(), backend.engine->context_length(), faults);
    prepared.prompts.push_back(std::move(tokens));
  }
  return prepared;
}

// Gathers the events of all choices and writes them, as one answer or as a stream.
class Completion {
 public:
  Completion(const Worker& worker, const Backend& backend, CompletionRequest request,
             std::vector<std::vector<std::int32_t>> prompts)
      : request_(std::move(request)), prompts_(std::move(prompts)), tokenizer_(*backend.tokenizer) {
    head_ = {random_id("cmpl-"), worker.identity().model_name, unix_seconds(std::chrono::system_clock::now())};
    choices_.assign(prompts_.size() * request_.n, Choice(tokenizer_));
    if (!request_.has_seed) request_.sampling.seed = random_seed();
  }

  /// One sequence a choice; choice p * n + j samples prompt p with seed + j.
  [[nodiscard]] std::vector<engine::Request> sequences() const {
    std::vector<engine::Request> list;
    for (const std::vector<std::int32_t>& prompt : prompts_) {
      for (std::uint32_t j = 0; j < request_.n; ++j) {
        engine::Request sequence;
        sequence.id = choices_.size() == 1 ? head_.id : fmt::format("{}-{}", head_.id, list.size());
        sequence.prompt = prompt;
        sequence.max_tokens = request_.max_tokens;
        sequence.sampling = request_.sampling;
        sequence.sampling.seed += j;
        sequence.stop = request_.stop;
        sequence.ignore_eos = request_.ignore_eos;
        sequence.logprobs = request_.logprobs;
        sequence.prompt_logprobs = request_.echo && request_.logprobs.has_value();
        list.push_back(std::move(sequence));
      }
    }
    return list;
  }

  /// Takes one event in. Stream chunks are appended to `out` if it is not null.
  void take(ChannelEvent event, std::string* out) {
    Choice& choice = choices_[event.choice];
    const std::size_t log_begin = choice.log.size();
    std::string text;
    if (std::holds_alternative<Started>(event.body)) {
      if (request_.echo && !request_.logprobs) text = echo(event.choice, choice, {});
    } else if (auto* scores = std::get_if<PromptScores>(&event.body)) {
      text = echo(event.choice, choice, std::move(*scores));
    } else if (auto* token = std::get_if<engine::TokenEvent>(&event.body)) {
      text = std::move(token->text);
      if (request_.logprobs) choice.log.add(token->token, std::move(token->logprobs));
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
    chunk.text = text;
    chunk.log = request_.logprobs ? &choice.log : nullptr;
    chunk.log_begin = log_begin;
    chunk.finish = choice.finish ? &*choice.finish : nullptr;
    chunk.usage_follows = request_.include_usage;
    append_chunk(*out, head_, chunk);
  }

  /// The first failure of a choice; it is the failure of the answer.
  [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }
  [[nodiscard]] std::string whole() const {
    return completion_json(head_, choices_, request_.logprobs.has_value(), usage_);
  }
  void append_end(std::string& out) const {
    if (request_.include_usage) append_usage_chunk(out, head_, usage_);
    out += http::sse_data("[DONE]");
  }

 private:
  std::string echo(std::uint32_t index, Choice& choice, PromptScores scores) {
    const std::vector<std::int32_t>& prompt = prompts_[index / request_.n];
    if (request_.logprobs) {
      choice.log.add(prompt[0], std::nullopt);
      for (std::size_t i = 0; i < scores.size(); ++i)
        choice.log.add(prompt[i + 1], std::move(scores[i]));
    }
    return tokenizer_.decode(prompt);
  }

  void count(std::uint32_t index, const engine::FinishEvent& end) {
    usage_.completion_tokens += end.completion_tokens;
    if (index % request_.n != 0) return;
    usage_.prompt_tokens += end.prompt_tokens;
    usage_.cached_tokens += end.cached_tokens;
  }

  static std::optional<Error> failure_of(const engine::FinishEvent& end) {
    if (end.error) return end.error;
    if (end.reason == engine::StopReason::kCancelled) {
      return make_error(ErrorCode::kCancelled, "the request was cancelled");
    }
    return std::nullopt;
  }

  CompletionRequest request_;
  std::vector<std::vector<std::int32_t>> prompts_;
  const tokenizer::Tokenizer& tokenizer_;
  CompletionHead head_;
  std::vector<Choice> choices_;
  Usage usage_;
  std::optional<Error> failure_;
};

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
      http::Headers headers = stream_headers();
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

Answer completions(Worker& worker, const http::Request& request, http::Exchange& exchange) {
  const Refusals refusals{not_serving, refused};
  std::optional<Admitted<Prepared>> admitted = co_await admit(worker, request, exchange, prepare, refusals);
  if (!admitted) co_return;
  const std::shared_ptr<const Backend> backend = admitted->backend;
  Prepared& prepared = admitted->prepared;
  const bool stream = prepared.parsed.request.stream;
  Completion completion(worker, *backend, std::move(prepared.parsed.request), std::move(prepared.prompts));
  Generation generation(worker, backend, exchange.executor());
  const Result<void> queued = generation.submit(completion.sequences());
  if (queued.has_error()) {
    http::Response refusal = openai_error(queued.error());
    co_await exchange.respond(std::move(refusal));
    co_return;
  }
  exchange.on_disconnect(generation.canceller());
  if (stream) {
    co_await answer_stream(completion, generation, exchange);
  } else {
    co_await answer_whole(completion, generation, exchange);
  }
}

}  // namespace llorch::api
