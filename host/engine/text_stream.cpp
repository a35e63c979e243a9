#include "engine/text_stream.hpp"

namespace llorch::engine {

TextStream::Piece TextStream::push(std::int32_t token) {
  Piece piece;
  if (tokenizer_->is_special(token)) return piece;
  released_.clear();
  piece.stop = matcher_.push(tokenizer_->token_bytes(token), released_);
  piece.text = decoder_.push(released_);
  return piece;
}

std::string TextStream::finish() {
  std::string text = decoder_.push(matcher_.flush());
  text += decoder_.flush();
  return text;
}

}  // namespace llorch::engine
