// The tokens of a SentencePiece BPE made ready for merging: symbols of characters, rules, and cuts.
#pragma once

#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "tokenizer/char_pairs.hpp"
#include "tokenizer/merge_table.hpp"
#include "tokenizer/spm_tokenizer.hpp"
#include "tokenizer/token_table.hpp"

namespace llorch::tokenizer {

/// The text with a space for every U+2581, which is how SentencePiece files spell it.
[[nodiscard]] std::string with_spaces(std::string_view spelling);

/// Works on text in which a space is a space: U+2581 stands for it in files only. Immutable after build().
/// [any-thread]
class SpmVocabulary {
 public:
  [[nodiscard]] static Result<SpmVocabulary> build(const SpmSpec& spec);

  [[nodiscard]] const TokenTable& table() const { return table_; }
  [[nodiscard]] std::optional<TokenId> byte_token(std::uint8_t byte) const {
    return byte_tokens_ ? std::optional<TokenId>((*byte_tokens_)[byte]) : std::nullopt;
  }
  /// Appends the tokens of a text. No space is added, no added token is looked for.
  void encode(std::string_view text, std::vector<TokenId>& out) const;

  static constexpr std::size_t kMaxPieceBytes = 512;  ///< of a token that merging can make; real ones have at most 64

 private:
  Result<void> fill_table(const SpmSpec& spec);
  Result<void> fill_bytes(const SpmSpec& spec);
  Result<void> fill_symbols(const SpmSpec& spec);
  void fill_rules(const SpmSpec& spec);
  Result<void> fill_listed_rules(const SpmSpec& spec);
  Result<void> fill_unused(const SpmSpec& spec);
  void mark_whole_tokens();

  [[nodiscard]] std::optional<TokenId> symbol(TextChar c) const;
  [[nodiscard]] std::optional<TokenId> symbol(std::string_view bytes) const;
  void encode_piece(std::string_view piece, std::vector<TokenId>& out) const;
  void merge(std::string_view piece, std::vector<TokenId>& out) const;  // symbols, not taken apart
  void emit(TokenId symbol, std::vector<TokenId>& out) const;
  void emit_bytes(std::string_view bytes, std::vector<TokenId>& out) const;

  TokenTable table_;  // tokens that merging can make are indexed
  CharPairs pairs_;
  MergeTable merges_;
  std::array<TokenId, 0x80> ascii_symbols_{};  // -1: none
  boost::unordered_flat_map<std::uint32_t, TokenId> symbols_;
  // Characters that occur in tokens without being one have symbols after the last id; their bytes, in that order.
  std::vector<std::string> extra_symbols_;
  std::optional<std::array<TokenId, 256>> byte_tokens_;
  TokenId unknown_ = 0;  // used without byte tokens
  bool fuse_unknown_ = true;
  bool split_at_spaces_ = false;
  boost::unordered_flat_map<TokenId, std::pair<TokenId, TokenId>> unused_;  // what they fall into
};

}  // namespace llorch::tokenizer
