// Frames of text/event-stream.
#pragma once

#include <string>
#include <string_view>

namespace llorch::api {

/// `event: name`, `data: json` and an empty line. `json` holds no line break (JsonWriter writes none).
inline void append_named_event(std::string& out, std::string_view name, std::string_view json) {
  out.append("event: ").append(name).append("\ndata: ").append(json).append("\n\n");
}

/// `data: json` and an empty line: OpenAI's form, without names, ids or comments.
inline void append_data(std::string& out, std::string_view json) {
  out.append("data: ").append(json).append("\n\n");
}

}  // namespace llorch::api
