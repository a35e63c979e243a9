// The character classes that pre-tokenizer patterns and added tokens are written in: \p{L}, \p{N}, \s, \w.
#pragma once

#include <array>
#include <cstdint>

namespace llorch::tokenizer {

enum class CharClass : std::uint8_t { kLetter, kNumber, kSpace, kOther };

/// \p{L}, \p{N}, \s (the White_Space property) or anything else, as of Unicode 16. [any-thread]
[[nodiscard]] CharClass char_class(char32_t code_point);

/// \w of UTS #18: Alphabetic, Mark, Decimal_Number, Connector_Punctuation, Join_Control. [any-thread]
[[nodiscard]] bool is_word_char(char32_t code_point);

/// char_class() of ASCII, for scanners that must not call a function per byte.
inline constexpr std::array<CharClass, 128> kAsciiClasses = [] {
  std::array<CharClass, 128> classes{};
  for (unsigned c = 0; c < 128; ++c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool number = c >= '0' && c <= '9';
    const bool space = c == ' ' || (c >= '\t' && c <= '\r');
    classes[c] = letter   ? CharClass::kLetter
                 : number ? CharClass::kNumber
                 : space  ? CharClass::kSpace
                          : CharClass::kOther;
  }
  return classes;
}();

}  // namespace llorch::tokenizer
