#include "model_file/rotary_read.hpp"

#include <algorithm>

namespace llorch::model_file {

Result<void> read_rotary_pairs(const RotaryMatrix& matrix, std::uint64_t offset, std::span<std::byte> out) {
  while (!out.empty()) {
    const std::uint64_t row = offset / matrix.row_bytes;
    const std::uint64_t within = offset % matrix.row_bytes;
    const std::uint64_t head = row / matrix.head_rows * matrix.head_rows;
    const std::uint64_t component = row - head;
    const std::uint64_t stored = head + component % 2 * (matrix.head_rows / 2) + component / 2;
    const std::uint64_t n = std::min<std::uint64_t>(matrix.row_bytes - within, out.size());
    const std::uint64_t from = matrix.offset + stored * matrix.row_bytes + within;
    if (auto read = matrix.file->read(from, out.first(n)); !read) return read.error();
    offset += n;
    out = out.subspan(n);
  }
  return {};
}

}  // namespace llorch::model_file
