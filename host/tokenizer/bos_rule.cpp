#include "tokenizer/bos_rule.hpp"

namespace llorch::tokenizer {

std::optional<TokenId> bos_by_rule(const Tokenizer& tokenizer) {
  // A letter with the rules and without them: of an empty text, what goes after it would look like what goes before it.
  constexpr std::string_view kLetter = "a";
  const std::vector<TokenId> plain = tokenizer.encode(kLetter);
  const std::vector<TokenId> ruled = tokenizer.encode(kLetter, {.add_special = true});
  if (plain.empty() || ruled.front() == plain.front()) return std::nullopt;
  const std::optional<TokenId> bos = tokenizer.bos();
  if (bos && *bos != ruled.front()) return std::nullopt;
  return ruled.front();
}

}  // namespace llorch::tokenizer
