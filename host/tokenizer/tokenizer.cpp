#include "tokenizer/tokenizer.hpp"

namespace llorch::tokenizer {

std::string Tokenizer::decode(const std::vector<TokenId>& ids, bool keep_special) const {
  std::string text;
  bool at_start = adds_leading_space();
  for (const TokenId id : ids) {
    const bool special = is_special(id);
    if (special && !keep_special) continue;
    std::string_view bytes = token_bytes(id);
    if (at_start && !bytes.empty()) {
      if (!special && bytes.front() == ' ') bytes.remove_prefix(1);
      at_start = false;
    }
    text.append(bytes);
  }
  return text;
}

}  // namespace llorch::tokenizer
