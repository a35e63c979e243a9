// Characters as Python's str methods see them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "tokenizer/utf8.hpp"

namespace llorch::chat {

/// Calls f(code point, its bytes) for each character of valid UTF-8.
template <class F>
void for_each_character(std::string_view text, F&& f) {
  for (std::size_t at = 0; at < text.size();) {
    const tokenizer::Utf8Step step = tokenizer::decode_utf8(text, at);
    f(step.code_point, text.substr(at, step.length));
    at += step.length;
  }
}

[[nodiscard]] bool is_printable(char32_t c);  ///< repr() shows it as it is
[[nodiscard]] bool is_space(char32_t c);
[[nodiscard]] bool is_alpha(char32_t c);
[[nodiscard]] bool is_digit(char32_t c);  ///< decimal digits of any script
[[nodiscard]] bool is_upper(char32_t c);
[[nodiscard]] bool is_lower(char32_t c);
[[nodiscard]] bool is_cased(char32_t c);
void append_upper(std::string& out, char32_t c);
void append_lower(std::string& out, char32_t c);
void append_title(std::string& out, char32_t c);
[[nodiscard]] std::string to_upper(std::string_view text);
[[nodiscard]] std::string to_lower(std::string_view text);

/// Bytes of white space at the beginning, and at the end.
[[nodiscard]] std::size_t leading_space(std::string_view text);
[[nodiscard]] std::size_t trailing_space(std::string_view text);

}  // namespace llorch::chat
