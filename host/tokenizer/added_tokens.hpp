// Tokens that are found in the raw text before any BPE: special tokens and those a user added.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer.hpp"

namespace llorch::tokenizer {

/// One added token, with the flags of tokenizer.json.
struct AddedToken {
  std::string content;
  TokenId id = 0;
  bool special = false;      ///< control token: matched only when asked for, not shown as generated text
  bool single_word = false;  ///< only where no word character touches it
  bool lstrip = false;       ///< takes the white space before it along
  bool rstrip = false;       ///< takes the white space after it along
  bool normalized = false;   ///< looked for only in what the tokens without this flag have left
};

/// Spelled "<...>" or "[...]" with something between the brackets, perhaps after U+2581. Such tokens mark the parts of
/// a conversation, even where a file calls them ordinary.
[[nodiscard]] bool looks_like_markup(std::string_view content);
/// By id, below `size`: which of the tokens look like markup. Merging must not make them. They are found before it, and
/// where they are not looked for, in what users wrote, they are plain text.
[[nodiscard]] std::vector<bool> markup_by_id(const std::vector<AddedToken>& tokens, std::size_t size);

/// A stretch of the text: one added token, or plain text for the pre-tokenizer.
struct Segment {
  std::string_view text;
  std::optional<TokenId> token;
};

/// Immutable. [any-thread]
class AddedTokens {
 public:
  static constexpr std::size_t kMaxContent = 512;  ///< bytes of one token; keeps splitting linear in the text

  explicit AddedTokens(std::vector<AddedToken> tokens = {});
  ~AddedTokens();
  AddedTokens(AddedTokens&&) noexcept;
  AddedTokens& operator=(AddedTokens&&) noexcept;

  [[nodiscard]] const std::vector<AddedToken>& tokens() const { return tokens_; }
  /// Cuts at every added token, the leftmost and longest first. Without `parse_special`, special tokens are plain text
  /// (and still shadow what overlaps them, as in Hugging Face tokenizers); so are those that overlap a `literal` range
  /// (EncodeOptions), and there all others that look like markup, too. No empty segments.
  [[nodiscard]] std::vector<Segment> split(std::string_view text, bool parse_special,
                                           std::span<const TextRange> literal = {}) const;

 private:
  class Trie;
  struct Rules;
  void split_with(const Trie& trie, std::string_view text, const Rules& rules, std::vector<Segment>& out) const;

  std::vector<AddedToken> tokens_;
  std::unique_ptr<Trie> raw_;         // normalized == false: looked for first
  std::unique_ptr<Trie> normalized_;  // normalized == true
};

}  // namespace llorch::tokenizer
