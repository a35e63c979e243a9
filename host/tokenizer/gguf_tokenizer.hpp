// Tokenizer metadata of GGUF files (tokenizer.ggml.*) to the neutral description of a byte-level BPE.
#pragma once

#include <string>

#include "base/result.hpp"
#include "model_file/metadata.hpp"
#include "tokenizer/bpe_tokenizer.hpp"

namespace llorch::tokenizer {

/// The result's views live as long as the file behind `metadata`. A tokenizer model or pre-tokenizer that is not
/// supported, lists that do not fit together and ids outside the vocabulary are errors that name the key. [any-thread]
[[nodiscard]] Result<BpeSpec> bpe_from_gguf(const model_file::Metadata& metadata, std::string origin);

}  // namespace llorch::tokenizer
