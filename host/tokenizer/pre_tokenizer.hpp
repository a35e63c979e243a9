// Cuts text into the pieces that BPE merges never cross. Each pattern is a scanner of its own: linear, no regex engine.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

namespace llorch::tokenizer {

/// Immutable. [any-thread]
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  /// One past the end of the piece that starts at `at`; `at` must lie inside the text. Always at least one byte; pieces
  /// laid end to end are the whole text. A byte that is not part of valid UTF-8 counts as one character of class
  /// "other".
  [[nodiscard]] virtual std::size_t piece_end(std::string_view text, std::size_t at) const = 0;
};

/// GPT-2's pattern: 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
[[nodiscard]] std::unique_ptr<PreTokenizer> make_gpt2_pre_tokenizer();

/// The whole text is one piece (ByteLevel with use_regex false).
[[nodiscard]] std::unique_ptr<PreTokenizer> make_whole_text_pre_tokenizer();

/// The regular expression that make_gpt2_pre_tokenizer() implements, as tokenizer.json files spell it.
inline constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

}  // namespace llorch::tokenizer
