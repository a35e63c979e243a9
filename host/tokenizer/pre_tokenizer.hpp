// Cuts text into the pieces that BPE merges never cross.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "tokenizer/tokenizer.hpp"

namespace llorch::tokenizer {

/// Immutable. [any-thread]
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  /// Appends the pieces of a text, not empty, in order; text that no piece covers is dropped. A byte that is not part
  /// of valid UTF-8 counts as one character of class "other". Never fails: where a pattern needs more steps than it
  /// may take (RegexSplit), the rest of the text is cut into single characters.
  virtual void split(std::string_view text, std::vector<TextRange>& pieces) const = 0;
};

/// A hand-written pattern: one pass, no regex engine. Pieces laid end to end are the whole text.
class Scanner : public PreTokenizer {
 public:
  /// One past the end of the piece that starts at `at`; `at` must lie inside the text. Always at least one byte.
  [[nodiscard]] virtual std::size_t piece_end(std::string_view text, std::size_t at) const = 0;
  void split(std::string_view text, std::vector<TextRange>& pieces) const override;
};

/// GPT-2's pattern: 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
[[nodiscard]] std::unique_ptr<Scanner> make_gpt2_pre_tokenizer();

/// Llama-3's pattern, kLlama3Pattern; `max_digits` is 3 there and 1 in Qwen2's variant.
[[nodiscard]] std::unique_ptr<Scanner> make_llama3_pre_tokenizer(std::size_t max_digits);

/// Numbers (\p{N}) apart from everything else, each for itself or in runs.
[[nodiscard]] std::unique_ptr<Scanner> make_digits_pre_tokenizer(bool individual);

/// The whole text is one piece (ByteLevel with use_regex false).
[[nodiscard]] std::unique_ptr<Scanner> make_whole_text_pre_tokenizer();

/// One after the other: each cuts the pieces of the one before it, and sees nothing but its piece.
[[nodiscard]] std::unique_ptr<PreTokenizer> make_pre_tokenizer_sequence(
    std::vector<std::unique_ptr<PreTokenizer>> parts);

/// What becomes of matches and of the text between them, named as in tokenizer.json.
enum class SplitBehavior : unsigned char { kIsolated, kRemoved, kMergedWithPrevious, kMergedWithNext, kContiguous };

struct SplitRule {
  std::string_view pattern;
  bool is_literal = false;  ///< the pattern is plain text, not a regular expression
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;  ///< what lies between the matches plays their part
};

/// Cuts at the matches of a regular expression in the dialect of tokenizer.json (Oniguruma's); patterns known to have a
/// scanner get that one. Patterns that cannot be compiled, use what differs between the dialects, or need too many
/// steps on plain texts are errors that name the pattern.
[[nodiscard]] Result<std::unique_ptr<PreTokenizer>> make_split_pre_tokenizer(const SplitRule& rule);

/// The same, by the regex engine even where there is a scanner: for the tests that compare the two.
[[nodiscard]] Result<std::unique_ptr<PreTokenizer>> make_regex_pre_tokenizer(const SplitRule& rule);

/// The regular expression that make_gpt2_pre_tokenizer() implements, as tokenizer.json files spell it.
inline constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

}  // namespace llorch::tokenizer
