// The token table of a byte-level BPE: spellings in GPT-2's byte alphabet to bytes.
#pragma once

#include "base/result.hpp"
#include "tokenizer/bpe_tokenizer.hpp"
#include "tokenizer/token_table.hpp"

namespace llorch::tokenizer {

/// Tokens that merging can make are indexed by their bytes. Fails on doubled tokens, added tokens that contradict the
/// list, and ids beyond kMaxVocabulary.
[[nodiscard]] Result<TokenTable> build_bpe_vocabulary(const BpeSpec& spec);

}  // namespace llorch::tokenizer
