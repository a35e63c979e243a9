// A prompt's token ids, checked against the context.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/fault.hpp"
#include "tokenizer/tokenizer.hpp"

namespace llorch::api {

/// Text of a prompt to ids: BOS where the model's rules say so and the text does not begin with it, and text that
/// spells a special token becomes that token (a chat template that the client filled in needs both). [any-thread]
[[nodiscard]] std::vector<std::int32_t> encode_prompt(const tokenizer::Tokenizer& tokenizer, std::string_view text);

/// Adds a fault with constraint tokens(1..=context) when the prompt is empty or exceeds the context; names both
/// numbers.
void check_prompt_length(std::string_view field, std::size_t tokens, std::uint32_t context, std::vector<Fault>& faults);

/// True if check_prompt_length found a prompt too long.
[[nodiscard]] bool exceeds_context(const Fault& fault);

}  // namespace llorch::api
