// String and number literals of the template language.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace llorch::chat {

/// What a string literal's body stands for, with Python's escapes; nothing when an escape is cut off or names no
/// character.
[[nodiscard]] std::optional<std::string> unescape(std::string_view body);

struct NumberLiteral {
  std::size_t length = 0;  ///< bytes of it; 0: too large
  bool is_float = false;
  std::int64_t integer = 0;
  double number = 0;
};
/// The number that `text`, which begins with a digit, begins with. After a dot (`x.0.1`) there are no floats.
[[nodiscard]] NumberLiteral read_number(std::string_view text, bool after_dot);

}  // namespace llorch::chat
