// What every tokenizer file says, whatever the algorithm: tokens, special tokens, and the rules around a text.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "tokenizer/added_tokens.hpp"
#include "tokenizer/tokenizer.hpp"

namespace llorch::tokenizer {

inline constexpr std::size_t kMaxVocabulary = std::size_t{1} << 20;  ///< ids; four times the largest known vocabulary

/// The part that all descriptions share. The views point into the caller's memory and are needed only while a
/// tokenizer is made of the description.
struct TokenizerSpec {
  std::string origin;  ///< path, for messages
  /// Spelling of each id, as the file has it. Ids that the file leaves out are default-constructed (data() is null).
  std::vector<std::string_view> tokens;
  std::string_view tokens_field = "tokens";  ///< what messages call the list above
  std::vector<AddedToken> added;
  std::vector<TokenId> prefix;  ///< before the text with add_special
  std::vector<TokenId> suffix;  ///< after it
  std::optional<TokenId> bos;
  std::optional<TokenId> eos;
  std::vector<TokenId> end_of_generation;  ///< beside eos
};

/// "origin: message", as a kBadModel.
[[nodiscard]] Error bad_spec(const TokenizerSpec& spec, std::string_view message);

/// Which added token, if any, has each id; as long as the vocabulary with them. Ids beyond kMaxVocabulary, empty or
/// long contents, and two tokens with one id or one content are errors. The pointers point into `spec`.
[[nodiscard]] Result<std::vector<const AddedToken*>> added_by_id(const TokenizerSpec& spec);

/// The special tokens of a description, checked against the vocabulary's size.
struct SpecialIds {
  std::vector<bool> special;  ///< by id: control token
  std::vector<bool> ends;     ///< by id: ends generation
  std::vector<TokenId> prefix;
  std::vector<TokenId> suffix;
  std::optional<TokenId> bos;
  std::optional<TokenId> eos;
};

/// Ids outside the vocabulary are errors that name their rule.
[[nodiscard]] Result<SpecialIds> check_special_ids(const TokenizerSpec& spec, std::size_t vocabulary_size);

}  // namespace llorch::tokenizer
