// Tokens that end an answer, known by their names: files often leave out which they are.
#pragma once

#include <string_view>

#include "tokenizer/tokenizer_spec.hpp"

namespace llorch::tokenizer {

/// Adds every token of the description that is called like the end of a turn or of a text ("<|eot_id|>", "<|im_end|>",
/// "<end_of_turn>" ...) to `end_of_generation`, and makes it special: some files call such tokens ordinary text. A name
/// that ordinary text could hold ("</s>") counts only where the file itself says the token is not ordinary.
void add_end_tokens_by_name(TokenizerSpec& spec);

/// Adds one token, whatever its name. An ordinary piece of the vocabulary that is called like no end stays one: a text
/// may hold it.
void add_end_token(TokenizerSpec& spec, TokenId id);

/// Whether a token that a file does not call ordinary ends an answer by its name.
[[nodiscard]] bool is_end_token_name(std::string_view name);

}  // namespace llorch::tokenizer
