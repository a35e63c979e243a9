// Reads query and key weights whose rows Hugging Face files hold in another order than GGUF files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.hpp"
#include "model_file/file.hpp"

namespace llorch::model_file {

/// A matrix whose file holds, for each head, the first components of all rotary pairs and then the second ones:
/// component i is rotated with i + head_rows / 2. Canonical is pair after pair: 2 i with 2 i + 1.
struct RotaryMatrix {
  const File* file = nullptr;
  std::uint64_t offset = 0;     ///< of the first byte in the file
  std::uint64_t row_bytes = 0;  ///< bytes of one row
  std::uint64_t head_rows = 0;  ///< rows of one head: even, a divisor of the number of rows
};

/// Copies bytes [offset, offset + out.size()) of the canonical matrix: one read for each row.
[[nodiscard]] Result<void> read_rotary_pairs(const RotaryMatrix& matrix, std::uint64_t offset,
                                             std::span<std::byte> out);

}  // namespace llorch::model_file
