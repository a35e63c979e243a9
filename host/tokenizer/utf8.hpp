// One step of strict UTF-8 decoding (Unicode 15, table 3-7), shared by the scanner and the incremental decoder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace llorch::tokenizer {

enum class Utf8Status : std::uint8_t {
  kValid,     ///< a whole character
  kInvalid,   ///< bytes that no continuation can make valid
  kTruncated  ///< the text ends inside what could still become a character
};

struct Utf8Step {
  char32_t code_point = 0;  ///< of a valid character
  /// Bytes of the character; of the maximal invalid subpart; or of all that is left when truncated. At least 1.
  std::uint8_t length = 1;
  Utf8Status status = Utf8Status::kValid;
};

/// Decodes at `at`, which must lie inside the text. Surrogates and overlong forms are invalid. [any-thread]
[[nodiscard]] Utf8Step decode_utf8(std::string_view text, std::size_t at);

/// Appends a code point's UTF-8 form; the code point must be a Unicode scalar value.
void append_utf8(char32_t code_point, std::string& out);

}  // namespace llorch::tokenizer
