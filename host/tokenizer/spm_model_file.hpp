// SentencePiece's own file, tokenizer.model, to the neutral description.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "tokenizer/spm_tokenizer.hpp"

namespace llorch::tokenizer {

/// Reads the bytes of a tokenizer.model. The result's views point into `bytes`. Models other than BPE and normalizers
/// other than identity are errors that name the field, as is what breaks the format. BOS is put before a text, EOS not
/// after it; files beside it may say otherwise. [any-thread]
[[nodiscard]] Result<SpmSpec> spm_from_model_file(std::string_view bytes, std::string origin);

}  // namespace llorch::tokenizer
