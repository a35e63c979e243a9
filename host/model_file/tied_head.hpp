// Output matrices that a model says it shares with the embedding, and stores all the same.
#pragma once

#include <memory>
#include <span>

#include "base/result.hpp"
#include "model_file/file.hpp"
#include "model_file/stored_tensor.hpp"

namespace llorch::model_file {

/// Whether `head` repeats `embedding` byte for byte, as a configuration with tie_word_embeddings says it does: one that
/// differs may be the model's true head, and to leave it out would answer from another model. Reads both. kBadModel
/// names the first difference.
[[nodiscard]] Result<void> check_tied_head(std::span<const std::shared_ptr<const File>> files, const StoredTensor& head,
                                           const StoredTensor& embedding);

}  // namespace llorch::model_file
