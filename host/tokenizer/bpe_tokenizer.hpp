// Byte-level BPE (the GPT-2 family), built from a neutral description that every file format is read into.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "tokenizer/added_tokens.hpp"
#include "tokenizer/pre_tokenizer.hpp"
#include "tokenizer/tokenizer.hpp"

namespace llorch::tokenizer {

/// What a tokenizer file says. The views point into the caller's memory and are needed only while
/// make_bpe_tokenizer() runs.
struct BpeSpec {
  std::string origin;  ///< path, for messages
  /// Spelling of each id in GPT-2's byte alphabet ("Ġthe"); spellings outside the alphabet stand for themselves and are
  /// never produced from text. Ids that the file leaves out are default-constructed (data() is null).
  std::vector<std::string_view> tokens;
  std::string_view tokens_field = "tokens";                           ///< what messages call the list above
  std::vector<std::pair<std::string_view, std::string_view>> merges;  ///< spellings, best first; a later duplicate wins
  std::string_view merges_field = "merges";
  std::vector<AddedToken> added;
  std::vector<TokenId> prefix;  ///< before the text with add_special
  std::vector<TokenId> suffix;  ///< after it
  std::optional<TokenId> bos;
  std::optional<TokenId> eos;
  std::vector<TokenId> end_of_generation;  ///< beside eos
  bool whole_text_is_a_word = false;       ///< no pattern: merges may cross everything
  bool add_prefix_space = false;           ///< stretches of text that do not start with a space get one
  bool ignore_merges = false;              ///< a piece that is a token becomes it, whatever the merges say
};

inline constexpr std::size_t kMaxVocabulary = std::size_t{1} << 20;  ///< ids; four times the largest known vocabulary

/// Ids outside the vocabulary, doubled tokens, merges of unknown tokens and missing byte tokens are errors that name
/// origin, field and what was expected.
[[nodiscard]] Result<std::unique_ptr<Tokenizer>> make_bpe_tokenizer(const BpeSpec& spec);

}  // namespace llorch::tokenizer
