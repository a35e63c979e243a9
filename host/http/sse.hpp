// Text of server-sent events, as both families of routes write them.
#pragma once

#include <string>
#include <string_view>

namespace llorch::http {

/// `event: <name>\ndata: <json>\n\n`. `json` is one line (serialized JSON never holds a raw line break).
[[nodiscard]] std::string sse_event(std::string_view name, std::string_view json);

/// `data: <json>\n\n`, with exactly one space, as the clients of OpenAI's routes want it.
[[nodiscard]] std::string sse_data(std::string_view json);

}  // namespace llorch::http
