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
#include "tokenizer/tokenizer_spec.hpp"

namespace llorch::tokenizer {

/// What a file with a byte-level BPE says. Tokens are spelled in GPT-2's byte alphabet ("Ġthe"); spellings outside the
/// alphabet stand for themselves and are never produced from text.
struct BpeSpec : TokenizerSpec {
  std::vector<std::pair<std::string_view, std::string_view>> merges;  ///< spellings, best first; a later duplicate wins
  std::string_view merges_field = "merges";
  std::shared_ptr<const PreTokenizer> pre_tokenizer;  ///< null: GPT-2's pattern
  bool whole_text_is_a_word = false;                  ///< no pattern: merges may cross everything
  bool add_prefix_space = false;                      ///< stretches of text that do not start with a space get one
  bool ignore_merges = false;                         ///< a piece that is a token becomes it, whatever the merges say
};

/// Ids outside the vocabulary, doubled tokens, merges of unknown tokens and missing byte tokens are errors that name
/// origin, field and what was expected.
[[nodiscard]] Result<std::unique_ptr<Tokenizer>> make_bpe_tokenizer(const BpeSpec& spec);

}  // namespace llorch::tokenizer
