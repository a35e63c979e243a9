// Hugging Face tokenizer.json to the neutral description of a byte-level BPE.
#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "base/result.hpp"
#include "tokenizer/bpe_tokenizer.hpp"

namespace llorch::tokenizer {

/// Reads a parsed tokenizer.json. What the file asks for and this tokenizer does not do (a normalizer, another model
/// type, another pre-tokenizer ...) is an error that names the field. `truncation` and `padding` shape training
/// batches, not what a text means, and are not looked at. bos and eos are in other files; the spec has none. The
/// result's views point into `document`. [any-thread]
[[nodiscard]] Result<BpeSpec> bpe_from_tokenizer_json(const boost::json::value& document, std::string origin);

}  // namespace llorch::tokenizer
