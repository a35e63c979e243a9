#include "api/completion_response.hpp"

#include <algorithm>
#include <cmath>

#include "api/worker_metrics.hpp"
#include "http/sse.hpp"

namespace llorch::api {
namespace {

void begin(JsonWriter& json, const CompletionHead& head, bool is_chunk) {
  const std::string_view chat = is_chunk ? "chat.completion.chunk" : "chat.completion";
  json.begin_object()
      .member("id", head.id)
      .member("object", head.kind == AnswerKind::kChat ? chat : "text_completion")
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

void write_logprobs(JsonWriter& json, AnswerKind kind, const Chunk& chunk) {
  json.key("logprobs");
  if (chunk.log == nullptr || chunk.log_begin >= chunk.log->size()) {
    json.value(nullptr);
  } else if (kind == AnswerKind::kChat) {
    chunk.log->write_chat(json, chunk.log_begin);
  } else {
    chunk.log->write(json, chunk.log_begin);
  }
}

void write_finish_reason(JsonWriter& json, const engine::FinishEvent* finish) {
  json.key("finish_reason");
  if (finish != nullptr) {
    json.value(finish_reason(finish->reason));
  } else {
    json.value(nullptr);
  }
}

void write_text_choice(JsonWriter& json, const Chunk& chunk) {
  json.begin_object().member("index", chunk.index).member("text", chunk.text);
  write_logprobs(json, AnswerKind::kCompletion, chunk);
  write_finish_reason(json, chunk.finish);
  json.end_object();
}

void write_chat_choice(JsonWriter& json, const Chunk& whole) {
  json.begin_object().member("index", whole.index).key("message").begin_object();
  json.member("role", "assistant").member("content", whole.text).member("refusal", nullptr).end_object();
  write_logprobs(json, AnswerKind::kChat, whole);
  write_finish_reason(json, whole.finish);
  json.end_object();
}

// What one chat chunk's delta holds; the last is empty.
enum class Delta : std::uint8_t { kRole, kContent, kEnd };

void write_chat_delta(JsonWriter& json, const Chunk& chunk, Delta delta) {
  json.begin_object().member("index", chunk.index).key("delta").begin_object();
  if (delta == Delta::kRole) json.member("role", "assistant").member("content", "");
  if (delta == Delta::kContent) json.member("content", chunk.text);
  json.end_object();
  Chunk shown = chunk;
  if (delta != Delta::kContent) shown.log = nullptr;
  write_logprobs(json, AnswerKind::kChat, shown);
  write_finish_reason(json, delta == Delta::kEnd ? chunk.finish : nullptr);
  json.end_object();
}

// One event with one choice, which `write` writes.
template <class Write>
void append_event(std::string& out, const CompletionHead& head, const Chunk& chunk, bool is_last, Write write) {
  std::string data;
  JsonWriter json(data);
  begin(json, head, true);
  json.key("choices").begin_array();
  write(json);
  json.end_array();
  if (chunk.usage_follows) json.member("usage", nullptr);
  if (is_last) write_timings(json, {chunk.finish});
  json.end_object();
  out += http::sse_data(data);
}

}  // namespace

std::string completion_json(const CompletionHead& head, const std::vector<Choice>& choices, bool with_logprobs,
                            const Usage& usage) {
  std::string out;
  JsonWriter json(out);
  begin(json, head, false);
  json.key("choices").begin_array();
  std::vector<const engine::FinishEvent*> ends;
  for (const Choice& choice : choices) {
    Chunk whole;
    whole.index = static_cast<std::uint32_t>(ends.size());
    whole.text = choice.text;
    whole.log = with_logprobs ? &choice.log : nullptr;
    whole.finish = &*choice.finish;
    head.kind == AnswerKind::kChat ? write_chat_choice(json, whole) : write_text_choice(json, whole);
    ends.push_back(whole.finish);
  }
  json.end_array();
  write_usage(json, usage);
  write_timings(json, ends);
  json.end_object();
  return out;
}

void append_chunk(std::string& out, const CompletionHead& head, const Chunk& chunk) {
  const bool ends = chunk.finish != nullptr;
  if (head.kind == AnswerKind::kCompletion) {
    append_event(out, head, chunk, ends, [&](JsonWriter& json) { write_text_choice(json, chunk); });
    return;
  }
  const auto append = [&](Delta delta) {
    append_event(out, head, chunk, delta == Delta::kEnd,
                 [&](JsonWriter& json) { write_chat_delta(json, chunk, delta); });
  };
  const bool has_scores = chunk.log != nullptr && chunk.log_begin < chunk.log->size();
  if (chunk.is_first) append(Delta::kRole);
  if (!chunk.text.empty() || has_scores) append(Delta::kContent);
  if (ends) append(Delta::kEnd);
}

void append_usage_chunk(std::string& out, const CompletionHead& head, const Usage& usage) {
  std::string data;
  JsonWriter json(data);
  begin(json, head, true);
  json.key("choices").begin_array().end_array();
  write_usage(json, usage);
  json.end_object();
  out += http::sse_data(data);
}

}  // namespace llorch::api
