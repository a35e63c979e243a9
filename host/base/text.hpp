// Text from foreign bytes: UTF-8 validation and quoting for messages.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace llorch {

/// Bytes of the well-formed character that `text` begins with (1..4), or 0 when there is none (Unicode 15, table 3-7).
[[nodiscard]] std::size_t utf8_sequence_length(std::string_view text) noexcept;

/// Code points of well-formed text.
[[nodiscard]] std::size_t count_code_points(std::string_view text) noexcept;

/// True for well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF).
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

/// `text` with control characters and invalid bytes escaped, so that it cannot forge a line or steer a terminal.
[[nodiscard]] std::string one_line(std::string_view text);

/// `text` with U+FFFD in place of every byte that is not UTF-8.
[[nodiscard]] std::string valid_utf8(std::string_view text);

/// `text` in double quotes, fit for one line of a message or of JSON-like output: control characters, quotes,
/// back-slashes and invalid bytes are escaped, and what exceeds `max_bytes` is replaced by "...".
[[nodiscard]] std::string quote(std::string_view text, std::size_t max_bytes = 80);

}  // namespace llorch
