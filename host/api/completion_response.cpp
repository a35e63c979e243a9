#include "api/completion_response.hpp"

#include <algorithm>
#include <cmath>

#include "api/worker_metrics.hpp"
#include "http/sse.hpp"

namespace llorch::api {
namespace {

void begin(JsonWriter& json, const CompletionHead& head) {
  json.begin_object()
      .member("id", head.id)
      .member("object", "text_completion")
      .member("created", head.created)
      .member("model", head.model);
}

void write_usage(JsonWriter& json, const Usage& usage) {
  json.key("usage")
      .begin_object()
      .member("prompt_tokens", usage.prompt_tokens)
      .member("completion_tokens", usage.completion_tokens)
      .member("total_tokens", usage.prompt_tokens + usage.completion_tokens)
      .key("prompt_tokens_details")
      .begin_object()
      .member("cached_tokens", usage.cached_tokens)
      .end_object()
      .end_object();
}

double milliseconds(double seconds) {
  return std::round(seconds * 1e6) / 1e3;
}

// Sums over the choices, except for the queue, where the longest wait counts.
void write_timings(JsonWriter& json, const std::vector<const engine::FinishEvent*>& ends) {
  engine::Timings total;
  double prompt_tokens = 0;
  double decoded = 0;  // the first token of a choice belongs to its prompt's pass
  for (const engine::FinishEvent* end : ends) {
    total.queue = std::max(total.queue, end->timings.queue);
    total.time_to_first_token = std::max(total.time_to_first_token, end->timings.time_to_first_token);
    total.prompt += end->timings.prompt;
    total.decode += end->timings.decode;
    prompt_tokens += end->prompt_tokens - std::min(end->cached_tokens, end->prompt_tokens);
    decoded += end->completion_tokens > 0 ? end->completion_tokens - 1 : 0;
  }
  const auto rate = [](double tokens, double seconds) {
    return seconds > 0 ? std::round(tokens / seconds * 100) / 100 : 0.0;
  };
  json.key("timings")
      .begin_object()
      .member("queue_ms", milliseconds(total.queue))
      .member("prompt_ms", milliseconds(total.prompt))
      .member("decode_ms", milliseconds(total.decode))
      .member("time_to_first_token_ms", milliseconds(total.time_to_first_token))
      .member("prompt_tokens_per_second", rate(prompt_tokens, total.prompt))
      .member("tokens_per_second", rate(decoded, total.decode))
      .end_object();
}

void write_choice(JsonWriter& json, const Chunk& chunk) {
  json.begin_object().member("index", chunk.index).member("text", chunk.text).key("logprobs");
  if (chunk.log != nullptr && chunk.log_begin < chunk.log->size()) {
    chunk.log->write(json, chunk.log_begin);
  } else {
    json.value(nullptr);
  }
  json.key("finish_reason");
  if (chunk.finish != nullptr) {
    json.value(finish_reason(chunk.finish->reason));
  } else {
    json.value(nullptr);
  }
  json.end_object();
}

}  // namespace

std::string completion_json(const CompletionHead& head, const std::vector<Choice>& choices, bool with_logprobs,
                            const Usage& usage) {
  std::string out;
  JsonWriter json(out);
  begin(json, head);
  json.key("choices").begin_array();
  std::vector<const engine::FinishEvent*> ends;
  for (const Choice& choice : choices) {
    Chunk whole;
    whole.index = static_cast<std::uint32_t>(ends.size());
    whole.text = choice.text;
    whole.log = with_logprobs ? &choice.log : nullptr;
    whole.finish = &*choice.finish;
    write_choice(json, whole);
    ends.push_back(whole.finish);
  }
  json.end_array();
  write_usage(json, usage);
  write_timings(json, ends);
  json.end_object();
  return out;
}

void append_chunk(std::string& out, const CompletionHead& head, const Chunk& chunk) {
  std::string data;
  JsonWriter json(data);
  begin(json, head);
  json.key("choices").begin_array();
  write_choice(json, chunk);
  json.end_array();
  if (chunk.usage_follows) json.member("usage", nullptr);
  if (chunk.finish != nullptr) write_timings(json, {chunk.finish});
  json.end_object();
  out += http::sse_data(data);
}

void append_usage_chunk(std::string& out, const CompletionHead& head, const Usage& usage) {
  std::string data;
  JsonWriter json(data);
  begin(json, head);
  json.key("choices").begin_array().end_array();
  write_usage(json, usage);
  json.end_object();
  out += http::sse_data(data);
}

}  // namespace llorch::api
