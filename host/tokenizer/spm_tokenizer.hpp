// SentencePiece BPE (Llama-2 and its relatives): characters merge by the score of what they become; what has no token
// is spelled in bytes.
#pragma once

#include <memory>
#include <vector>

#include "base/result.hpp"
#include "tokenizer/tokenizer_spec.hpp"

namespace llorch::tokenizer {

/// Numbered as in tokenizer.model and in GGUF's tokenizer.ggml.token_type.
enum class PieceType : std::uint8_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,  ///< may appear while merging, and is taken apart again at the end
  kByte = 6     ///< "<0x0A>"
};

/// Which stretches of text get a space before them ("stretch": what lies between added tokens).
enum class SpacePrefix : std::uint8_t {
  kNone,
  kFirstText,  ///< the one that begins the text
  kEveryText,  ///< every stretch
};

/// What a file with a SentencePiece BPE says. Spellings have U+2581 where the text has a space.
struct SpmSpec : TokenizerSpec {
  std::vector<PieceType> types;  ///< one a token
  std::vector<float> scores;     ///< one a token: higher merges first
  std::optional<TokenId> unknown;
  bool byte_fallback = true;         ///< characters without a token become bytes; otherwise `unknown`, one a run
  bool remove_extra_spaces = false;  ///< at both ends of a text, and all but one of a run
  SpacePrefix space_prefix = SpacePrefix::kEveryText;
};

/// "<0x0A>" to 10; nothing for other spellings. [any-thread]
[[nodiscard]] std::optional<std::uint8_t> byte_of_spelling(std::string_view spelling);

/// Lists of different lengths, doubled tokens, scores that are not numbers, missing byte tokens and ids outside the
/// vocabulary are errors that name origin, field and what was expected.
[[nodiscard]] Result<std::unique_ptr<Tokenizer>> make_spm_tokenizer(const SpmSpec& spec);

}  // namespace llorch::tokenizer
