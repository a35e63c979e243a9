// What GGUF files say about any tokenizer: tokens, their types, special ids, and rules around a text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "model_file/metadata.hpp"
#include "tokenizer/spm_tokenizer.hpp"
#include "tokenizer/tokenizer_spec.hpp"

namespace llorch::tokenizer {

/// "origin: key: expected ..., found ...".
[[nodiscard]] Error bad_key(const TokenizerSpec& spec, std::string_view key, std::string_view expected,
                            std::string_view found, ErrorCode code = ErrorCode::kBadModel);

/// tokenizer.ggml.tokens into spec.tokens.
[[nodiscard]] Result<void> read_gguf_tokens(const model_file::Metadata& metadata, TokenizerSpec& spec);

/// tokenizer.ggml.scores, one a token; empty when the file has none.
[[nodiscard]] Result<std::vector<float>> read_gguf_scores(const model_file::Metadata& metadata,
                                                          const TokenizerSpec& spec);

/// tokenizer.ggml.token_type, one a token; empty when the file has none. `last` is the largest type that makes sense.
[[nodiscard]] Result<std::vector<PieceType>> read_gguf_types(const model_file::Metadata& metadata,
                                                             const TokenizerSpec& spec, PieceType last);

/// Tokens of the types control, unknown and user-defined into spec.added.
void add_gguf_special_tokens(const std::vector<PieceType>& types, TokenizerSpec& spec);

/// The ids of bos, eos, eot and eom into the spec; all others are checked. Returns unknown_token_id.
[[nodiscard]] Result<std::optional<TokenId>> read_gguf_ids(const model_file::Metadata& metadata, TokenizerSpec& spec);

/// add_bos_token and add_eos_token into spec.prefix and spec.suffix; `bos_otherwise` is what holds where the file does
/// not say.
[[nodiscard]] Result<void> read_gguf_rules(const model_file::Metadata& metadata, bool bos_otherwise,
                                           TokenizerSpec& spec);

}  // namespace llorch::tokenizer
