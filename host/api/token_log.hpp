// Log-probabilities of one choice in the shapes of OpenAI's legacy completions and of its chats.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/json_writer.hpp"
#include "sampling/sampler.hpp"
#include "tokenizer/tokenizer.hpp"

namespace llorch::api {

/// A token as text: its bytes where they are UTF-8, else "bytes:\xe2\x80", as OpenAI spells partial characters.
[[nodiscard]] std::string token_text(const tokenizer::Tokenizer& tokenizer, std::int32_t token);

/// Four parallel lists: tokens, token_logprobs, top_logprobs, text_offset (in characters from the beginning of the
/// choice's text). The tokenizer outlives this.
class TokenLog {
 public:
  explicit TokenLog(const tokenizer::Tokenizer& tokenizer) : tokenizer_(&tokenizer) {}

  /// A token with its score; no score (null) for the first token of a prompt.
  void add(std::int32_t token, std::optional<sampling::Logprobs> score);
  /// Writes the entries from `begin` on as {"tokens":[...],...}.
  void write(JsonWriter& json, std::size_t begin = 0) const;
  /// The same as {"content":[{"token","logprob","bytes","top_logprobs":[...]}],"refusal":null}: the shape of chats.
  void write_chat(JsonWriter& json, std::size_t begin = 0) const;
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::int32_t token;
    std::optional<sampling::Logprobs> score;
    std::size_t offset;
  };
  const tokenizer::Tokenizer* tokenizer_;
  std::vector<Entry> entries_;
  std::size_t characters_ = 0;
};

}  // namespace llorch::api
