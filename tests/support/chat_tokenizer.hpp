// A byte-level vocabulary with the special tokens of several chat formats, and rules for BOS and EOS as a test wants.
#pragma once

#include <string>
#include <vector>

#include "tokenizer/added_tokens.hpp"
#include "tokenizer/tokenizer.hpp"

namespace llorch::testing {

/// 0..255 are bytes; from 256 on the tokens given, the first of which is BOS and the second EOS.
class ChatTokenizer : public tokenizer::Tokenizer {
 public:
  explicit ChatTokenizer(std::vector<std::string> tokens, bool adds_bos = false, bool adds_eos = false)
      : adds_bos_(adds_bos), adds_eos_(adds_eos) {
    for (int i = 0; i < 256; ++i)
      bytes_.emplace_back(1, static_cast<char>(i));
    std::vector<tokenizer::AddedToken> added;
    for (std::string& token : tokens) {
      added.push_back({.content = token, .id = static_cast<std::int32_t>(bytes_.size()), .special = true});
      bytes_.push_back(std::move(token));
    }
    added_ = tokenizer::AddedTokens(std::move(added));
  }
  [[nodiscard]] std::string_view kind() const override { return "bytes"; }
  [[nodiscard]] std::uint32_t vocab_size() const override { return static_cast<std::uint32_t>(bytes_.size()); }
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text,
                                                 const tokenizer::EncodeOptions& options) const override {
    std::vector<std::int32_t> ids;
    if (options.add_special && adds_bos_) ids.push_back(256);
    for (const tokenizer::Segment& segment : added_.split(text, options.parse_special, options.literal)) {
      if (segment.token) {
        ids.push_back(*segment.token);
        continue;
      }
      for (const char c : segment.text)
        ids.push_back(static_cast<std::uint8_t>(c));
    }
    if (options.add_special && adds_eos_) ids.push_back(257);
    return ids;
  }
  [[nodiscard]] std::string_view token_bytes(std::int32_t id) const override {
    return id >= 0 && id < static_cast<std::int32_t>(bytes_.size()) ? std::string_view(bytes_[id]) : std::string_view();
  }
  [[nodiscard]] bool is_special(std::int32_t id) const override { return id >= 256; }
  [[nodiscard]] std::optional<std::int32_t> bos() const override { return 256; }
  [[nodiscard]] std::optional<std::int32_t> eos() const override { return 257; }
  [[nodiscard]] bool ends_generation(std::int32_t id) const override { return id == 257; }
  [[nodiscard]] std::optional<std::int32_t> find(std::string_view token) const override {
    for (std::size_t i = 0; i < bytes_.size(); ++i) {
      if (bytes_[i] == token) return static_cast<std::int32_t>(i);
    }
    return std::nullopt;
  }

 private:
  std::vector<std::string> bytes_;
  tokenizer::AddedTokens added_;
  bool adds_bos_, adds_eos_;
};

}  // namespace llorch::testing
