// The readers of the formats, as ModelFile::open() picks them.
#pragma once

#include <filesystem>

#include "base/result.hpp"
#include "model_file/loaded_model.hpp"

namespace llorch::model_file {

/// Any part of a GGUF model.
[[nodiscard]] Result<Parts> read_gguf_model(const std::filesystem::path& path, const OpenOptions& options);

/// A directory, one of its .safetensors files or its index.
[[nodiscard]] Result<Parts> read_hugging_face_model(const std::filesystem::path& path, const OpenOptions& options);

/// How to turn a pickled checkpoint into something that can be opened; the pickle itself never is.
[[nodiscard]] Error pickle_error(const std::filesystem::path& file);

}  // namespace llorch::model_file
