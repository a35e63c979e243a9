// Tokens to the text a client sees: special tokens hidden, stop strings cut, only whole UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/stop_matcher.hpp"
#include "tokenizer/incremental_decoder.hpp"
#include "tokenizer/tokenizer.hpp"

namespace llorch::engine {

/// Token bytes -> stop matcher (bytes) -> UTF-8 decoder. One per sequence; not thread-safe.
class TextStream {
 public:
  /// `tokenizer` must outlive the stream.
  TextStream(const tokenizer::Tokenizer& tokenizer, const std::vector<std::string>& stops)
      : tokenizer_(&tokenizer), matcher_(stops) {}

  struct Piece {
    std::string text;                 ///< whole UTF-8, ready for the client
    std::optional<std::size_t> stop;  ///< index of the stop string that ended the stream
  };
  [[nodiscard]] Piece push(std::int32_t token);
  /// What is still held and belongs to the answer; an incomplete character becomes U+FFFD.
  [[nodiscard]] std::string finish();

 private:
  const tokenizer::Tokenizer* tokenizer_;
  StopMatcher matcher_;
  tokenizer::IncrementalDecoder decoder_;
  std::string released_;  ///< scratch
};

}  // namespace llorch::engine
