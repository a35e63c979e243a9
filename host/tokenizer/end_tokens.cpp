#include "tokenizer/end_tokens.hpp"

#include <algorithm>
#include <array>

namespace llorch::tokenizer {
namespace {

// The full-width bars and U+2581 are how DeepSeek spells them.
constexpr std::array<std::string_view, 13> kNames = {
    "<|eot_id|>", "<|eom_id|>",      "<|end_of_text|>", "<|im_end|>",    "<|end|>", "<|endoftext|>",     "<|return|>",
    "<|call|>",   "<|end_of_turn|>", "<|eot|>",         "<end_of_turn>", "<turn|>", "<end_of_utterance>"};
constexpr std::array<std::string_view, 1> kFullWidthNames = {
    "<\xEF\xBD\x9C"
    "end\xE2\x96\x81of\xE2\x96\x81sentence\xEF\xBD\x9C>"};
// Only when the file says that the token is special or added. Code Llama has U+2581 before its "<EOT>".
constexpr std::array<std::string_view, 7> kPlainNames = {"</s>",  "<eos>", "<EOT>", "_<EOT>", "\xE2\x96\x81<EOT>",
                                                         "[EOT]", "[EOS]"};

template <std::size_t kCount>
bool is_one_of(const std::array<std::string_view, kCount>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool ends_everywhere(std::string_view name) {
  return is_one_of(kNames, name) || is_one_of(kFullWidthNames, name);
}

// The token as one of the added tokens, which it becomes where it is not: the only ones that can be special.
AddedToken& as_special(TokenizerSpec& spec, TokenId id) {
  auto added = std::find_if(spec.added.begin(), spec.added.end(), [&](const AddedToken& t) { return t.id == id; });
  if (added == spec.added.end()) {
    spec.added.push_back({.content = std::string(spec.tokens[static_cast<std::size_t>(id)]), .id = id});
    added = spec.added.end() - 1;
  }
  added->special = true;
  return *added;
}

void push_end(TokenizerSpec& spec, TokenId id) {
  if (std::find(spec.end_of_generation.begin(), spec.end_of_generation.end(), id) == spec.end_of_generation.end()) {
    spec.end_of_generation.push_back(id);
  }
}

}  // namespace

bool is_end_token_name(std::string_view name) {
  return ends_everywhere(name) || is_one_of(kPlainNames, name);
}

void add_end_token(TokenizerSpec& spec, TokenId id) {
  const bool added = std::any_of(spec.added.begin(), spec.added.end(), [&](const AddedToken& t) { return t.id == id; });
  if (added || is_end_token_name(spec.tokens[static_cast<std::size_t>(id)])) as_special(spec, id);
  push_end(spec, id);
}

void add_end_tokens_by_name(TokenizerSpec& spec) {
  std::vector<TokenId> found;
  const auto consider = [&](std::string_view name, TokenId id, bool is_added) {
    if (is_added ? is_end_token_name(name) : ends_everywhere(name)) found.push_back(id);
  };
  bool has_return = false;  // where <|return|> ends the answer, <|end|> only ends a message within it
  for (const AddedToken& token : spec.added) {
    consider(token.content, token.id, true);
    has_return = has_return || token.content == "<|return|>";
  }
  for (std::size_t id = 0; id < spec.tokens.size(); ++id)
    consider(spec.tokens[id], static_cast<TokenId>(id), false);

  for (const TokenId id : found) {
    if (as_special(spec, id).content == "<|end|>" && has_return) continue;
    push_end(spec, id);
  }
}

}  // namespace llorch::tokenizer
