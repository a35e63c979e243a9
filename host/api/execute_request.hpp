// The body of POST /execute, checked against the worker contract.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/fault.hpp"
#include "sampling/params.hpp"

namespace llorch::api {

struct ExecuteRequest {
  std::string job_id;
  std::string prompt;
  std::uint32_t max_tokens = 0;
  sampling::Params sampling;
  std::vector<std::string> stop;
};

/// All faults of the body at once; none of them repeats the prompt. Unknown fields are ignored and listed. [any-thread]
[[nodiscard]] Parsed<ExecuteRequest> parse_execute_request(std::string_view body);

/// The body of POST /cancel: {"job_id": "..."}.
struct CancelRequest {
  std::string job_id;
};
[[nodiscard]] Parsed<CancelRequest> parse_cancel_request(std::string_view body);

}  // namespace llorch::api
