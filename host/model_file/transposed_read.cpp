#include "model_file/transposed_read.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

namespace llorch::model_file {
namespace {

constexpr std::uint64_t kBandBytes = std::uint64_t{256} * 1024;  // stays in the second-level cache
constexpr std::uint64_t kTile = 16;                              // 16 elements of f32 are one cache line
constexpr std::uint64_t kCallBytes = 4096;                       // a system call costs about as much as copying this

/// out[r * stride + k] = in[k * pitch + r] for all r < rows and k < depth, tile by tile so that neither side jumps from
/// cache line to cache line for each element.
template <std::size_t kBytes>
void transpose_band(const std::byte* in, std::uint64_t pitch, std::uint64_t depth, std::byte* out, std::uint64_t stride,
                    std::uint64_t rows) {
  for (std::uint64_t r0 = 0; r0 < rows; r0 += kTile) {
    const std::uint64_t r1 = std::min(r0 + kTile, rows);
    for (std::uint64_t k0 = 0; k0 < depth; k0 += kTile) {
      const std::uint64_t k1 = std::min(k0 + kTile, depth);
      for (std::uint64_t r = r0; r < r1; ++r) {
        for (std::uint64_t k = k0; k < k1; ++k) {
          std::memcpy(out + (r * stride + k) * kBytes, in + (k * pitch + r) * kBytes, kBytes);
        }
      }
    }
  }
}

void transpose_band(std::uint32_t element_bytes, const std::byte* in, std::uint64_t pitch, std::uint64_t depth,
                    std::byte* out, std::uint64_t stride, std::uint64_t rows) {
  switch (element_bytes) {
    case 1:
      return transpose_band<1>(in, pitch, depth, out, stride, rows);
    case 2:
      return transpose_band<2>(in, pitch, depth, out, stride, rows);
    case 4:
      return transpose_band<4>(in, pitch, depth, out, stride, rows);
    default:
      return transpose_band<8>(in, pitch, depth, out, stride, rows);
  }
}

/// Whole rows [first, first + count) into `out`.
Result<void> read_rows(const TransposedMatrix& m, std::uint64_t first, std::uint64_t count, std::byte* out) {
  const std::uint64_t stored_row = m.rows * m.element_bytes;
  const std::uint64_t wanted = count * m.element_bytes;
  // Either whole stored rows in few large reads, or only the wanted part of each: whichever costs less.
  const bool whole = stored_row - wanted <= kCallBytes;
  const std::uint64_t pitch = whole ? m.rows : count;
  const std::uint64_t band = std::clamp<std::uint64_t>(kBandBytes / (pitch * m.element_bytes), 1, m.columns);
  std::vector<std::byte> buffer(band * pitch * m.element_bytes);
  for (std::uint64_t k = 0; k < m.columns; k += band) {
    const std::uint64_t depth = std::min(band, m.columns - k);
    const std::byte* in = buffer.data();
    if (whole) {
      const std::span<std::byte> target(buffer.data(), depth * stored_row);
      if (auto read = m.file->read(m.offset + k * stored_row, target); !read) return read.error();
      in += first * m.element_bytes;
    } else {
      for (std::uint64_t i = 0; i < depth; ++i) {
        const std::span<std::byte> target(buffer.data() + i * wanted, wanted);
        const std::uint64_t from = m.offset + (k + i) * stored_row + first * m.element_bytes;
        if (auto read = m.file->read(from, target); !read) return read.error();
      }
    }
    transpose_band(m.element_bytes, in, pitch, depth, out + k * m.element_bytes, m.columns, count);
  }
  return {};
}

}  // namespace

Result<void> read_transposed(const TransposedMatrix& matrix, std::uint64_t offset, std::span<std::byte> out) {
  const std::uint64_t row_bytes = matrix.columns * matrix.element_bytes;
  std::vector<std::byte> row;
  while (!out.empty()) {
    const std::uint64_t first = offset / row_bytes;
    const std::uint64_t within = offset % row_bytes;
    std::uint64_t n = 0;
    if (within == 0 && out.size() >= row_bytes) {
      const std::uint64_t count = out.size() / row_bytes;
      if (auto read = read_rows(matrix, first, count, out.data()); !read) return read.error();
      n = count * row_bytes;
    } else {
      row.resize(row_bytes);
      if (auto read = read_rows(matrix, first, 1, row.data()); !read) return read.error();
      n = std::min<std::uint64_t>(row_bytes - within, out.size());
      std::memcpy(out.data(), row.data() + within, n);
    }
    offset += n;
    out = out.subspan(n);
  }
  return {};
}

}  // namespace llorch::model_file
