#include "api/execute_events.hpp"

#include <cmath>

#include "api/clock.hpp"
#include "api/json_writer.hpp"
#include "http/sse.hpp"

namespace llorch::api {

std::string_view contract_name(engine::StopReason reason) noexcept {
  switch (reason) {
    case engine::StopReason::kMaxTokens:
    case engine::StopReason::kContextFull:
      return "MAX_TOKENS";
    case engine::StopReason::kEos:
      return "EOS";
    case engine::StopReason::kStopSequence:
      return "STOP_SEQUENCE";
    case engine::StopReason::kCancelled:
      return "CANCELLED";
    case engine::StopReason::kError:
      return "ERROR";
  }
  return "ERROR";
}

std::string_view contract_name(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kCancelled:
      return "CANCELLED";
    case ErrorCode::kTimeout:
      return "TIMEOUT";
    case ErrorCode::kInvalidArgument:
      return "INVALID_REQUEST";
    case ErrorCode::kOutOfMemory:
    case ErrorCode::kResourceExhausted:
      return "VRAM_OOM";
    default:
      return "INFERENCE_FAILED";
  }
}

void append_started(std::string& out, std::string_view job_id, std::string_view model,
                    std::chrono::system_clock::time_point at) {
  std::string data;
  JsonWriter(data)
      .begin_object()
      .member("type", "started")
      .member("job_id", job_id)
      .member("model", model)
      .member("started_at", rfc3339(at))
      .end_object();
  out += http::sse_event("started", data);
}

// Once a token, hence without a writer and without a second string.
void append_token(std::string& out, std::string_view text, std::uint32_t index) {
  out += "event: token\ndata: {\"type\":\"token\",\"t\":";
  append_json_string(out, text);
  out.append(",\"i\":").append(std::to_string(index)).append("}\n\n");
}

void append_metrics(std::string& out, double tokens_per_second, std::uint64_t vram_bytes) {
  std::string data;
  JsonWriter(data)
      .begin_object()
      .member("type", "metrics")
      .member("tokens_per_sec", std::round(tokens_per_second * 100) / 100)
      .member("vram_bytes", vram_bytes)
      .end_object();
  out += http::sse_event("metrics", data);
}

void append_terminal(std::string& out, const engine::FinishEvent& finish) {
  if (finish.error) {
    append_error(out, contract_name(finish.error->code), finish.error->message);
    return;
  }
  std::string data;
  JsonWriter json(data);
  json.begin_object()
      .member("type", "end")
      .member("tokens_out", finish.completion_tokens)
      .member("decode_time_ms", std::llround(finish.timings.decode * 1000))
      .member("stop_reason", contract_name(finish.reason));
  if (finish.reason == engine::StopReason::kStopSequence) json.member("stop_sequence_matched", finish.stop_sequence);
  json.end_object();
  out += http::sse_event("end", data);
}

void append_error(std::string& out, std::string_view code, std::string_view message) {
  std::string data;
  JsonWriter(data).begin_object().member("type", "error").member("code", code).member("message", message).end_object();
  out += http::sse_event("error", data);
}

}  // namespace llorch::api
