// Text to token ids and back. Implementations: byte-level BPE (GPT-2, Llama-3), SentencePiece BPE (Llama-2).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "model_file/model_file.hpp"

namespace llorch::tokenizer {

using TokenId = std::int32_t;

/// Bytes [begin, end) of a text.
struct TextRange {
  std::size_t begin = 0, end = 0;
};

struct EncodeOptions {
  bool add_special = false;    ///< add BOS / EOS where the file's rules say so
  bool parse_special = false;  ///< text that spells a special token becomes that token; otherwise it is plain text
  /// Where parse_special does not hold: what a user wrote inside of a chat template. A special token, or one spelled
  /// like markup, that would need a byte of these ranges is plain text. Ascending, disjoint, not empty.
  std::span<const TextRange> literal = {};
};

/// Immutable after load. [any-thread]
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  [[nodiscard]] virtual std::string_view kind() const = 0;  ///< "byte-level BPE", ...
  [[nodiscard]] virtual std::uint32_t vocab_size() const = 0;
  /// Any byte sequence is accepted (invalid UTF-8 too) and takes time linear in its length.
  [[nodiscard]] virtual std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options = {}) const = 0;
  /// The bytes one token stands for; special tokens give their spelling. Empty for ids out of range.
  [[nodiscard]] virtual std::string_view token_bytes(TokenId id) const = 0;
  [[nodiscard]] virtual bool is_special(TokenId id) const = 0;  ///< control token: not shown as generated text
  [[nodiscard]] virtual std::optional<TokenId> bos() const = 0;
  [[nodiscard]] virtual std::optional<TokenId> eos() const = 0;
  /// EOS and every end-of-turn token: generation stops there.
  [[nodiscard]] virtual bool ends_generation(TokenId id) const = 0;
  [[nodiscard]] virtual std::optional<TokenId> find(std::string_view token) const = 0;

  /// encode() puts a space before the text, which decode() takes away again: SentencePiece's habit. token_bytes() keeps
  /// it, because a token that goes on with a text needs it.
  [[nodiscard]] virtual bool adds_leading_space() const { return false; }

  /// The text of the ids: their bytes, without the one space that encode() put at the beginning (a special token shown
  /// before it leaves it there, as in Hugging Face tokenizers). For a text that goes
  /// on (what a model generates), use token_bytes(). Special tokens are left out unless `keep_special`.
  [[nodiscard]] std::string decode(const std::vector<TokenId>& ids, bool keep_special = true) const;
};

/// From GGUF metadata (tokenizer.ggml.*) or from the directory's tokenizer.json, else vocab.json + merges.txt.
[[nodiscard]] Result<std::unique_ptr<Tokenizer>> load_tokenizer(const model_file::ModelFile& file);

}  // namespace llorch::tokenizer
