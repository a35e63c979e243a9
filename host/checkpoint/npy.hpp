// NumPy's .npy files: the format of reference tensors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "base/result.hpp"

namespace llorch::checkpoint {

/// A tensor of f32, outermost dimension first, row-major.
struct Tensor {
  std::vector<std::uint64_t> dims;
  std::vector<float> values;
};

/// Reads versions 1 to 3 of the format; element type '<f4' in C order only. The error names the file, what was expected
/// and what was found. [any-thread]
[[nodiscard]] Result<Tensor> read_npy(const std::filesystem::path& path);

}  // namespace llorch::checkpoint
