// The five events of POST /execute as text. Exactly one of `end` and `error` closes a stream.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/engine.hpp"

namespace llorch::api {

void append_started(std::string& out, std::string_view job_id, std::string_view model,
                    std::chrono::system_clock::time_point at);
/// `index` counts the token events of the stream from 0; text that was held back arrives with a later one.
void append_token(std::string& out, std::string_view text, std::uint32_t index);
void append_metrics(std::string& out, double tokens_per_second, std::uint64_t vram_bytes);
/// `end`, or `error` when the request failed.
void append_terminal(std::string& out, const engine::FinishEvent& finish);
void append_error(std::string& out, std::string_view code, std::string_view message);

/// MAX_TOKENS, EOS, STOP_SEQUENCE, CANCELLED, ERROR. A full context counts as MAX_TOKENS: no more can be had.
[[nodiscard]] std::string_view contract_name(engine::StopReason reason) noexcept;
/// INFERENCE_FAILED, CANCELLED, TIMEOUT, INVALID_REQUEST, VRAM_OOM.
[[nodiscard]] std::string_view contract_name(ErrorCode code) noexcept;

}  // namespace llorch::api
