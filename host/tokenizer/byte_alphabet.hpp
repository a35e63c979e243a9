// GPT-2's spelling of bytes: each of the 256 bytes has a printable character, so that vocabularies are readable JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace llorch::tokenizer {

/// The bytes that a token's spelling stands for, or nothing when it holds a character outside the alphabet.
/// Printable Latin-1 stands for itself; the other 68 bytes, in order, are U+0100 to U+0143. [any-thread]
[[nodiscard]] std::optional<std::string> spelling_to_bytes(std::string_view spelling);

/// The inverse: any bytes to their spelling ("Ġ" for a space). [any-thread]
[[nodiscard]] std::string bytes_to_spelling(std::string_view bytes);

}  // namespace llorch::tokenizer
