// SentencePiece BPE (Llama-2 and its relatives): characters merge by the score of what they become; what has no token
// is spelled in bytes.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <utility>
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
  bool by_merges = false;        ///< the list below says what merges, not the scores
  std::vector<std::pair<std::string_view, std::string_view>> merges;  ///< spellings, best first; a later duplicate wins
  std::string_view merges_field = "merges";
  std::optional<TokenId> unknown;
  bool byte_fallback = true;         ///< characters without a token become bytes; otherwise `unknown`
  bool fuse_unknown = true;          ///< one unknown token for a run of such characters
  bool remove_extra_spaces = false;  ///< at both ends of a text, and all but one of a run
  bool split_at_spaces = false;      ///< no token has a space but at its beginning, where the text is concerned
  SpacePrefix space_prefix = SpacePrefix::kEveryText;
  bool prefix_only_where_missing = false;  ///< no space before text that starts with one
  /// User-defined tokens are part of the stretch they are in: text after them gets no space, and one that begins a
  /// stretch has the space before it. Otherwise they are like special ones.
  bool user_defined_is_text = false;
  std::optional<bool> strips_leading_space;  ///< when decoding; where it is not said: if there is a prefix
};

/// "<0x0A>" to 10; nothing for other spellings. [any-thread]
[[nodiscard]] std::optional<std::uint8_t> byte_of_spelling(std::string_view spelling);

/// Lists of different lengths, doubled tokens, scores that are not numbers, missing byte tokens and ids outside the
/// vocabulary are errors that name origin, field and what was expected.
[[nodiscard]] Result<std::unique_ptr<Tokenizer>> make_spm_tokenizer(const SpmSpec& spec);

}  // namespace llorch::tokenizer
