// Tokenizer files of a Hugging Face directory.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.hpp"
#include "tokenizer/bpe_tokenizer.hpp"

namespace llorch::tokenizer {

/// Token ids that config.json names.
struct ConfigIds {
  std::optional<TokenId> bos;
  std::optional<TokenId> eos;
  std::vector<TokenId> ends = {};  ///< all of a list, of which eos is the first
};

/// From tokenizer.json, else from SentencePiece's tokenizer.model, else from vocab.json and merges.txt, with the small
/// files beside them. kNotFound when the directory has none of them. [any-thread]
[[nodiscard]] Result<std::unique_ptr<Tokenizer>> load_hugging_face_tokenizer(const std::filesystem::path& directory,
                                                                             const ConfigIds& config = {});

}  // namespace llorch::tokenizer
