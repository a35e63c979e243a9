// Wall-clock time as clients read it. Durations never come from here: they use the monotonic clock.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace llorch::api {

/// RFC 3339 in UTC with milliseconds: 2025-01-31T23:59:59.042Z
[[nodiscard]] std::string rfc3339(std::chrono::system_clock::time_point time);

/// Seconds since 1970, as OpenAI's `created` wants them.
[[nodiscard]] std::int64_t unix_seconds(std::chrono::system_clock::time_point time);

}  // namespace llorch::api
