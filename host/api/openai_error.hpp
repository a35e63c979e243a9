// OpenAI's error object and the statuses that go with it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/fault.hpp"
#include "base/result.hpp"
#include "http/exchange.hpp"

namespace llorch::api {

/// {"error":{"message","type","param","code"}}. `type` follows from the status; empty `param` and `code` become null.
[[nodiscard]] std::string openai_error_json(unsigned status, std::string_view message, std::string_view param = {},
                                            std::string_view code = {});
[[nodiscard]] http::Response openai_error(unsigned status, std::string_view message, std::string_view param = {},
                                          std::string_view code = {});
/// 400 with all messages in one and the first fault's field as `param`.
[[nodiscard]] http::Response openai_error(const std::vector<Fault>& faults);
/// An engine's failure with the status it deserves; a full queue carries Retry-After.
[[nodiscard]] http::Response openai_error(const Error& error);

[[nodiscard]] unsigned http_status(ErrorCode code) noexcept;

}  // namespace llorch::api
