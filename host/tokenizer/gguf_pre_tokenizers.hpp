// The pre-tokenizers that GGUF files name (tokenizer.ggml.pre) instead of bringing their patterns along.
#pragma once

#include <span>
#include <string_view>

namespace llorch::tokenizer {

struct GgufPreTokenizer {
  std::span<const std::string_view> patterns;  ///< one after the other, every match a piece
  bool ignore_merges = false;                  ///< a piece that is a token becomes it, whatever the merges say
  bool add_bos = false;                        ///< where the file does not say
};

/// Null for names that are not known. [any-thread]
[[nodiscard]] const GgufPreTokenizer* find_gguf_pre_tokenizer(std::string_view name);

}  // namespace llorch::tokenizer
