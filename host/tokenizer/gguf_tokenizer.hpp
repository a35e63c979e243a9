// Tokenizer metadata of GGUF files (tokenizer.ggml.*) to the neutral descriptions of tokenizers.
#pragma once

#include <memory>
#include <string>

#include "base/result.hpp"
#include "model_file/metadata.hpp"
#include "tokenizer/bpe_tokenizer.hpp"
#include "tokenizer/spm_tokenizer.hpp"

namespace llorch::tokenizer {

/// tokenizer.ggml.model = "gpt2". The result's views live as long as the file behind `metadata`. A pre-tokenizer that
/// is not supported, lists that do not fit together and ids outside the vocabulary are errors that name the key.
/// [any-thread]
[[nodiscard]] Result<BpeSpec> bpe_from_gguf(const model_file::Metadata& metadata, std::string origin);

/// tokenizer.ggml.model = "llama". As above.
[[nodiscard]] Result<SpmSpec> spm_from_gguf(const model_file::Metadata& metadata, std::string origin);

/// Whichever of the two tokenizer.ggml.model asks for; another one is an error that names it. [any-thread]
[[nodiscard]] Result<std::unique_ptr<Tokenizer>> load_gguf_tokenizer(const model_file::Metadata& metadata,
                                                                     const std::string& origin);

}  // namespace llorch::tokenizer
