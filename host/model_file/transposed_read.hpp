// Reads rows of a matrix that the file holds transposed, block by block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.hpp"
#include "model_file/file.hpp"

namespace llorch::model_file {

/// A matrix of (rows, columns) whose file holds (columns, rows): Hugging Face's Conv1D weights.
struct TransposedMatrix {
  const File* file = nullptr;
  std::uint64_t offset = 0;  ///< of the first byte in the file
  std::uint64_t rows = 0, columns = 0;
  std::uint32_t element_bytes = 0;  ///< 1, 2, 4 or 8
};

/// Copies bytes [offset, offset + out.size()) of the (rows, columns) matrix. Cheapest for many whole rows at once: each
/// call passes over the matrix once, whatever the number of rows. Scratch memory: at most 1 MiB, or one stored row.
[[nodiscard]] Result<void> read_transposed(const TransposedMatrix& matrix, std::uint64_t offset,
                                           std::span<std::byte> out);

}  // namespace llorch::model_file
