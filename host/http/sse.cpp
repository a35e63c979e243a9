#include "http/sse.hpp"

namespace llorch::http {

std::string sse_event(std::string_view name, std::string_view json) {
  std::string text;
  text.reserve(name.size() + json.size() + 16);
  text.append("event: ").append(name).append("\ndata: ").append(json).append("\n\n");
  return text;
}

std::string sse_data(std::string_view json) {
  std::string text;
  text.reserve(json.size() + 8);
  text.append("data: ").append(json).append("\n\n");
  return text;
}

}  // namespace llorch::http
