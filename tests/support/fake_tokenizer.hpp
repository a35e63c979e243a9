// A tokenizer for tests: 0..255 are bytes, 256 ends the text, 257 is another special token, from 258 on whatever
// strings the test wants.
#pragma once

#include <string>
#include <vector>

#include "tokenizer/tokenizer.hpp"

namespace llorch::test {

class FakeTokenizer final : public tokenizer::Tokenizer {
 public:
  static constexpr std::int32_t kEos = 256, kSpecial = 257, kFirstString = 258;
  explicit FakeTokenizer(std::vector<std::string> strings = {}, std::uint32_t vocab_size = 300)
      : vocab_size_(vocab_size) {
    for (int i = 0; i < 256; ++i) {
      bytes_.emplace_back(1, static_cast<char>(i));
    }
    bytes_.emplace_back("<eos>");
    bytes_.emplace_back("<special>");
    bytes_.insert(bytes_.end(), strings.begin(), strings.end());
  }

  [[nodiscard]] std::string_view kind() const override { return "fake"; }
  [[nodiscard]] std::uint32_t vocab_size() const override { return vocab_size_; }
  [[nodiscard]] std::vector<tokenizer::TokenId> encode(std::string_view text,
                                                       const tokenizer::EncodeOptions& /*options*/) const override {
    std::vector<tokenizer::TokenId> ids;
    for (const char c : text) {
      ids.push_back(static_cast<unsigned char>(c));
    }
    return ids;
  }
  [[nodiscard]] std::string_view token_bytes(tokenizer::TokenId id) const override {
    return id >= 0 && static_cast<std::size_t>(id) < bytes_.size() ? std::string_view(bytes_[id]) : std::string_view();
  }
  [[nodiscard]] bool is_special(tokenizer::TokenId id) const override { return id == kEos || id == kSpecial; }
  [[nodiscard]] std::optional<tokenizer::TokenId> bos() const override { return std::nullopt; }
  [[nodiscard]] std::optional<tokenizer::TokenId> eos() const override { return kEos; }
  [[nodiscard]] bool ends_generation(tokenizer::TokenId id) const override { return id == kEos; }
  [[nodiscard]] std::optional<tokenizer::TokenId> find(std::string_view token) const override {
    for (std::size_t i = 0; i < bytes_.size(); ++i) {
      if (bytes_[i] == token) return static_cast<tokenizer::TokenId>(i);
    }
    return std::nullopt;
  }

 private:
  std::uint32_t vocab_size_;
  std::vector<std::string> bytes_;
};

}  // namespace llorch::test
