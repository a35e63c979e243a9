// Whether a vocabulary's rules put BOS before a text: what prompts of every kind need to know to have it once.
#pragma once

#include <optional>

#include "tokenizer/tokenizer.hpp"

namespace llorch::tokenizer {

/// BOS, where the rules that `add_special` asks for put it before a text; nothing where they put nothing or another
/// token there. If no file names BOS, the token that they put there is taken for it. [any-thread]
[[nodiscard]] std::optional<TokenId> bos_by_rule(const Tokenizer& tokenizer);

}  // namespace llorch::tokenizer
