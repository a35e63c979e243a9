// Bytes of a response's head and of a chunk.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "http/headers.hpp"

namespace llorch::http {

struct ResponseHead {
  unsigned status = 200;
  std::string_view content_type;
  std::optional<std::size_t> content_length;  ///< none: the length is told by chunks or by the connection's end
  bool chunked = false;
  bool keep_alive = true;
  std::string_view request_id;
  const Headers* headers = nullptr;  ///< more, from the handler; a name or value that could break the head is left out
};

/// Status line, header lines and the empty line.
[[nodiscard]] std::string response_head(const ResponseHead& head);

/// One chunk of a chunked body; `bytes` must not be empty (an empty chunk ends the body).
[[nodiscard]] std::string chunk(std::string_view bytes);
constexpr std::string_view kLastChunk = "0\r\n\r\n";

/// `given` when it is 1 to 64 characters of [A-Za-z0-9._:-], else a new random id of 32 hexadecimal digits.
[[nodiscard]] std::string accept_or_make_request_id(std::optional<std::string_view> given);

}  // namespace llorch::http
