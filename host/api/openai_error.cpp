#include "api/openai_error.hpp"

#include "api/json_writer.hpp"

namespace llorch::api {
namespace {

std::string_view type_of(unsigned status) {
  switch (status) {
    case 401:
    case 403:
      return "authentication_error";
    case 404:
      return "not_found_error";
    case 429:
      return "rate_limit_error";
    case 503:
      return "unavailable_error";
    default:
      return status >= 500 ? "server_error" : "invalid_request_error";
  }
}

}  // namespace

unsigned http_status(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kUnsupported:
      return 400;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kResourceExhausted:
      return 429;
    case ErrorCode::kUnavailable:
    case ErrorCode::kCancelled:
      return 503;
    default:
      return 500;
  }
}

std::string openai_error_json(unsigned status, std::string_view message, std::string_view param,
                              std::string_view code) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("error").begin_object().member("message", message).member("type", type_of(status));
  const auto text_or_null = [&](std::string_view key, std::string_view text) {
    json.key(key);
    if (text.empty()) {
      json.value(nullptr);
    } else {
      json.value(text);
    }
  };
  text_or_null("param", param);
  text_or_null("code", code);
  json.end_object().end_object();
  return out;
}

http::Response openai_error(unsigned status, std::string_view message, std::string_view param, std::string_view code) {
  http::Response response;
  response.status = status;
  response.body = openai_error_json(status, message, param, code);
  if (status == 429 || status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

http::Response openai_error(const std::vector<Fault>& faults) {
  const bool unsupported = !faults.empty() && faults.front().constraint == "unsupported";
  return openai_error(400, faults_line(faults), faults.empty() ? "" : faults.front().field,
                      unsupported ? "unsupported_parameter" : "invalid_value");
}

http::Response openai_error(const Error& error) {
  const unsigned status = http_status(error.code);
  return openai_error(status, error.message, {}, to_string(error.code));
}

}  // namespace llorch::api
