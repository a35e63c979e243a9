// A SentencePiece vocabulary that tests build piece by piece.
#pragma once

#include <spdlog/fmt/fmt.h>

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/spm_tokenizer.hpp"

namespace llorch::testing {

/// 0 "<unk>", 1 "<s>", 2 "</s>", 3 to 258 the bytes; what is added follows. Must outlive the specs it gives.
class SpmPieces {
 public:
  static constexpr tokenizer::TokenId kByte0 = 3;
  static constexpr tokenizer::TokenId kFirst = 259;

  SpmPieces() {
    add("<unk>", 0, tokenizer::PieceType::kUnknown);
    add("<s>", 0, tokenizer::PieceType::kControl);
    add("</s>", 0, tokenizer::PieceType::kControl);
    for (int byte = 0; byte < 256; ++byte)
      add(fmt::format("<0x{:02X}>", byte), 0, tokenizer::PieceType::kByte);
  }

  /// `_` in the spelling becomes U+2581.
  SpmPieces& add(std::string_view spelling, float score, tokenizer::PieceType type = tokenizer::PieceType::kNormal) {
    std::string marked;
    for (const char c : spelling)
      marked += c == '_' ? std::string("\xE2\x96\x81") : std::string(1, c);
    spellings_.push_back(std::move(marked));
    scores_.push_back(score);
    types_.push_back(type);
    return *this;
  }

  [[nodiscard]] tokenizer::SpmSpec spec() const {
    tokenizer::SpmSpec spec;
    spec.origin = "file";
    spec.tokens.assign(spellings_.begin(), spellings_.end());
    spec.scores = scores_;
    spec.types = types_;
    spec.unknown = 0;
    spec.bos = 1;
    spec.eos = 2;
    for (std::size_t id = 0; id < types_.size(); ++id) {
      if (types_[id] != tokenizer::PieceType::kUnknown && types_[id] != tokenizer::PieceType::kControl &&
          types_[id] != tokenizer::PieceType::kUserDefined) {
        continue;
      }
      spec.added.push_back({.content = spellings_[id],
                            .id = static_cast<tokenizer::TokenId>(id),
                            .special = types_[id] != tokenizer::PieceType::kUserDefined});
    }
    return spec;
  }

  [[nodiscard]] const std::deque<std::string>& spellings() const { return spellings_; }
  [[nodiscard]] const std::vector<float>& scores() const { return scores_; }
  [[nodiscard]] const std::vector<tokenizer::PieceType>& types() const { return types_; }

 private:
  std::deque<std::string> spellings_;
  std::vector<float> scores_;
  std::vector<tokenizer::PieceType> types_;
};

}  // namespace llorch::testing
