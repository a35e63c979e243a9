#include "tokenizer/tokenizer.hpp"

namespace llorch::tokenizer {

std::string Tokenizer::decode(const std::vector<TokenId>& ids, bool keep_special) const {
  std::string text;
  for (const TokenId id : ids) {
    if (keep_special || !is_special(id)) text.append(token_bytes(id));
  }
  return text;
}

}  // namespace llorch::tokenizer
