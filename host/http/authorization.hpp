// Who may ask: an optional API key, and the probes that never need one.
#pragma once

#include <string_view>

#include "http/headers.hpp"

namespace llorch::http {

/// True for /livez, /readyz, /health, /metrics and KServe's /v2/health/live and /v2/health/ready.
[[nodiscard]] bool is_open_path(std::string_view path);

/// Whether `headers` hold exactly one `Authorization: Bearer <api_key>`. The time taken depends on the length of what
/// was sent, never on where it first differs from the key. [any-thread]
[[nodiscard]] bool is_authorized(const Headers& headers, std::string_view api_key);

}  // namespace llorch::http
