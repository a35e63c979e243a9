// The little of UTF-8 that the edge needs: is this a character, and how many are there.
#pragma once

#include <cstddef>
#include <string_view>

namespace llorch::api {

/// Bytes of the well-formed character that begins at text[at] (1..4), or 0 when there is none (Unicode 15, table 3-7).
[[nodiscard]] std::size_t utf8_character(std::string_view text, std::size_t at) noexcept;

/// Code points of well-formed text: the bytes that are not continuation bytes.
[[nodiscard]] std::size_t count_code_points(std::string_view text) noexcept;

[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

}  // namespace llorch::api
