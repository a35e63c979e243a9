// Hugging Face tokenizer.json to the neutral description of a SentencePiece BPE.
#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "base/result.hpp"
#include "tokenizer/spm_tokenizer.hpp"

namespace llorch::tokenizer {

/// Whether a parsed tokenizer.json is a BPE over characters with U+2581 for spaces (as converted from SentencePiece)
/// rather than over bytes: by its byte_fallback, a Metaspace, or a normalizer that replaces spaces. [any-thread]
[[nodiscard]] bool is_spm_json(const boost::json::value& document);

/// Reads such a file; as bpe_from_tokenizer_json(). [any-thread]
[[nodiscard]] Result<SpmSpec> spm_from_tokenizer_json(const boost::json::value& document, std::string origin);

}  // namespace llorch::tokenizer
