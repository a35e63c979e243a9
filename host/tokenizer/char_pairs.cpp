#include "tokenizer/char_pairs.hpp"

namespace llorch::tokenizer {

void CharPairs::add(TextChar left, TextChar right) {
  if ((left.key | right.key) < 0x80) {
    ascii_.set(left.key * 0x80 + right.key);
  } else {
    others_.insert(pair(left, right));
  }
}

std::size_t CharPairs::piece_end(std::string_view text, std::size_t at, bool split_at_spaces) const {
  TextChar last = read_char(text, at);
  at += last.length;
  while (at < text.size()) {
    const TextChar next = read_char(text, at);
    if (!contains(last, next) || (split_at_spaces && next.key == ' ')) break;
    last = next;
    at += next.length;
  }
  return at;
}

}  // namespace llorch::tokenizer
