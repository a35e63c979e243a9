// A validated, memory-mapped model: one neutral table of tensors and one of metadata, whatever the format on disk.
#pragma once

#include <llorch/llorch_plugin.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "model_file/metadata.hpp"

namespace llorch::model_file {

enum class Format : std::uint8_t { kGguf, kHuggingFace };

/// One tensor under its canonical (GGUF) name and orientation.
struct Tensor {
  std::string name;
  std::uint32_t ggml_type = 0;      ///< id as in GGUF files: 0 F32, 1 F16, 30 BF16, ...
  std::vector<std::uint64_t> dims;  ///< outermost first, row-major
  std::uint64_t nbytes = 0;
  std::string source_name;  ///< the name in the file, when it differs
};

struct OpenOptions {
  /// Accept files without tensors, and weights without config.json (for `tokenize` and `inspect`).
  bool vocabulary_only = false;
};

/// Immutable after open(). Keeps the mappings alive; source() stays valid as long as this object. [any-thread]
class ModelFile {
 public:
  /// `path`: a .gguf file (any part of a split set), a .safetensors file (with config.json beside it), a
  /// *.safetensors.index.json, or a Hugging Face directory. Validates everything that can be validated without reading
  /// tensor data: structure, ranges, overlaps, hyperparameters, names and shapes of the architectures known here.
  static Result<std::unique_ptr<ModelFile>> open(const std::filesystem::path& path, const OpenOptions& options = {});
  virtual ~ModelFile() = default;
  ModelFile(const ModelFile&) = delete;
  ModelFile& operator=(const ModelFile&) = delete;

  [[nodiscard]] virtual Format format() const = 0;
  [[nodiscard]] virtual const std::filesystem::path& path() const = 0;
  /// Where tokenizer.json and its kin lie; empty for GGUF, whose tokenizer is in the metadata.
  [[nodiscard]] virtual std::filesystem::path directory() const = 0;
  /// GGUF name of the architecture: "gpt2", "llama"; empty for a vocabulary-only directory.
  [[nodiscard]] virtual std::string_view architecture() const = 0;
  [[nodiscard]] virtual const Metadata& metadata() const = 0;
  [[nodiscard]] virtual std::span<const Tensor> tensors() const = 0;
  [[nodiscard]] virtual std::uint64_t bytes_on_disk() const = 0;
  /// Copies [offset, offset + out.size()) of a tensor's canonical bytes. Short files and I/O errors are errors, never
  /// signals.
  [[nodiscard]] virtual Result<void> read_tensor(std::uint64_t index, std::uint64_t offset,
                                                 std::span<std::byte> out) const = 0;
  /// The same table as a plugin sees it.
  [[nodiscard]] virtual const llorch_source& source() const = 0;

 protected:
  ModelFile() = default;
};

}  // namespace llorch::model_file
