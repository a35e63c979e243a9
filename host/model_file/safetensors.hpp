// The safetensors format: an 8-byte length, a JSON header, tensor data without gaps.
#pragma once

#include <vector>

#include "base/result.hpp"
#include "model_file/byte_source.hpp"
#include "model_file/stored_tensor.hpp"

namespace llorch::model_file {

/// Parses and validates the header of one file. Tensors come in the order of their data; `file` is left 0.
/// Checked: header length, JSON, dtypes, shape * dtype against the byte range, ranges that tile the data exactly (no
/// overlap, no hole, nothing behind). Memory: a few hundred bytes a tensor beyond the header itself.
[[nodiscard]] Result<std::vector<StoredTensor>> parse_safetensors(ByteSource& bytes);

}  // namespace llorch::model_file
