// What the small files beside a Hugging Face vocabulary say: tokenizer_config.json, special_tokens_map.json,
// added_tokens.json, generation_config.json.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "tokenizer/added_tokens.hpp"

namespace llorch::tokenizer {

/// A special token given by name, and the field that named it (for messages).
struct NamedToken {
  AddedToken token;   ///< without an id
  std::string field;  ///< "tokenizer_config.json: eos_token"
};

/// Contents of those files; all of them are optional.
struct Companions {
  std::optional<NamedToken> bos;
  std::optional<NamedToken> eos;
  std::optional<NamedToken> eot;          ///< eot_token, which Code Llama's tokenizer has
  std::vector<NamedToken> others;         ///< unk, pad, sep, cls, mask and additional special tokens
  std::vector<AddedToken> added;          ///< with ids, from added_tokens_decoder and added_tokens.json
  std::optional<TokenId> generation_bos;  ///< bos_token_id of generation_config.json
  std::vector<TokenId> generation_ends;   ///< eos_token_id of generation_config.json, one or many
  std::optional<bool> add_bos;            ///< add_bos_token
  std::optional<bool> add_eos;            ///< add_eos_token
  std::optional<bool> add_prefix_space;
  std::string tokenizer_class;  ///< of transformers; empty: not said
  std::optional<bool> legacy;   ///< of Llama's tokenizer: a space before the text after every special token, too
};

/// Absent files read as empty; broken ones are errors. tokenizer_config.json wins over special_tokens_map.json.
[[nodiscard]] Result<Companions> read_companions(const std::filesystem::path& directory);

}  // namespace llorch::tokenizer
