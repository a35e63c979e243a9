// The GGUF format, versions 2 and 3: header, metadata, tensor descriptions. One file at a time.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.hpp"
#include "model_file/byte_source.hpp"
#include "model_file/metadata.hpp"
#include "model_file/stored_tensor.hpp"

namespace llorch::model_file {

struct GgufContents {
  std::uint32_t version = 0;
  Metadata metadata;  ///< views into the byte source
  std::vector<StoredTensor> tensors;
};

/// Parses and validates everything in front of the tensor data, and that each tensor's range lies in the file without
/// touching another. Holes are accepted. Memory: at most twice what the header takes in the file, plus a few MiB; the
/// counts that could exceed this are limited (65,536 keys, 131,072 tensors, 2,097,152 strings in arrays).
[[nodiscard]] Result<GgufContents> parse_gguf(ByteSource& bytes);

}  // namespace llorch::model_file
