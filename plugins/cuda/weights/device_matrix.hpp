// How weight matrices lie on the device. Plain data only: included by kernels.
//
// A lane of a warp reads what it needs in aligned pieces of 16 bytes, and the 32 lanes of a warp read 512 bytes in a
// row. With g = lane / 4 and t = lane % 4, a lane holds rows g and g + 8 of a tile of 16 rows (matrix A of mma.sync).
//
//   F16, BF16  tiles of 16 rows, chunks of 32 columns: (tile, chunk, step 0..1, lane, 8 values). Of a chunk, the lane's
//              columns are 8t..8t+7, four for each step: in PTX's order of registers that is row g, columns 0, 1; row
//              g + 8, columns 0, 1; row g, columns 2, 3; row g + 8, columns 2, 3 of the four. Padded to two chunks.
//   F32        groups of 32 rows: (group, columns / 4, lane = row, 4 values)
//   quantized  tiles of 16 rows, blocks of 256 columns, each QuantLayout::block_bytes: planes of codes, then scales.
//
// Rows and columns are padded with zeros (codes and scales).
#pragma once

#include <cstdint>

#include "common/quant/quant_format.hpp"
#include "common/quant/weight_type.hpp"
#include "cuda/weights/host_device.hpp"

namespace llorch::cuda {

using common::WeightType;

inline constexpr std::int64_t kTileRows = 16;
inline constexpr std::int64_t kFloatGroupRows = 32;
/// Columns of the activations that share a scale, and of the largest step of mma.sync.
inline constexpr std::int64_t kChunkColumns = 32;
/// Columns to which rows are padded and between which sums may be cut: of F32, of F16 and BF16, of quantized types.
inline constexpr std::int64_t kFloatColumns = 32;
inline constexpr std::int64_t kHalfColumns = 64;
inline constexpr std::int64_t kBlockColumns = 256;
inline constexpr std::int64_t kBlockChunks = kBlockColumns / kChunkColumns;

/// A matrix (n_rows, n_cols) on the device. Does not own it. `data` is aligned to 256 bytes.
struct MatrixView {
  const void* data = nullptr;
  WeightType type = WeightType::kF32;
  std::int64_t n_rows = 0;
  std::int64_t n_cols = 0;
};

LLORCH_HOST_DEVICE constexpr std::int64_t divide_up(std::int64_t n, std::int64_t by) {
  return (n + by - 1) / by;
}

/// Where things lie in a block of 16 rows by 256 columns of a quantized type. Register j = 0..3 of chunk c, as mma.sync
/// takes a row-major A of 16 by 32 bytes, holds row g + 8 (j % 2), columns 16 (j / 2) + 4t .. + 3 of the chunk.
///
///   codes of 8 bits   (chunk, lane, register j)
///   4 bits            (pair of chunks, lane, register j): the even chunk in the low halves of the bytes
///   indices of IQ4    in the same words, the four of the even chunk in the low half of a word, side by side
///   2 bits            (half of the chunks, lane, chunk % 4): register j at bits 2j, 2j + 1 of the bytes
///   1 bit             (lane, pair of chunks): register j of the even chunk at bit j of the bytes, of the odd one at j
///   + 4 codes of 3, 5, 6 bits: the low 2, 4, 4 bits, then a plane with the upper 1, 1, 2 scales, one f16 for 32
///   columns: (row g, row g + 8 of each g, chunk) halves; minimums the same, behind scales of K-quants: (row g, row g +
///   8 of each g) of int8 scales (part) and, if there are, int8 minimums (part); then
///                     halves (g; scale of row g, of row g + 8; minimum of row g, of row g + 8, if there are)
///
/// Types with an offset are stored as signed codes (code - offset), the others as they are. What K-quants subtract is
/// negated, so that a weight is scale * code + minimum.
struct QuantLayout {
  int low_bits = 0, high_bits = 0;  ///< of the planes
  int low_bytes = 0, high_bytes = 0;
  int part_bytes = 0;   ///< of the int8 scales and minimums of one row
  int scales_at = 0;    ///< bytes from the start of the block
  int halves_at = 0;    ///< of super types: where d (and dmin) lie
  int minimums_at = 0;  ///< of plain types with minimums
  int block_bytes = 0;
};

constexpr QuantLayout quant_layout(WeightType type) {
  const common::QuantFormat f = common::quant_format(type);
  QuantLayout l;
  l.low_bits = f.bits == 3 ? 2 : (f.bits == 5 || f.bits == 6) ? 4 : f.bits;
  l.high_bits = f.bits - l.low_bits;
  constexpr int kValues = static_cast<int>(kTileRows * kBlockColumns);
  l.low_bytes = kValues * l.low_bits / 8;
  l.high_bytes = kValues * l.high_bits / 8;
  l.scales_at = l.low_bytes + l.high_bytes;
  constexpr int kRows = static_cast<int>(kTileRows);
  const int halves = kRows * 2 * (f.minimums ? 2 : 1);
  if (f.super_scales) {
    l.part_bytes = static_cast<int>(kBlockColumns) / f.part_columns * (f.minimums ? 2 : 1);
    l.halves_at = l.scales_at + kRows * l.part_bytes;
    l.block_bytes = l.halves_at + halves;
  } else {
    l.minimums_at = l.scales_at + kRows * 2 * static_cast<int>(kBlockChunks);
    l.block_bytes = l.scales_at + halves * static_cast<int>(kBlockChunks);
  }
  return l;
}

/// Columns to which rows of a type are padded.
constexpr std::int64_t column_unit(WeightType type) {
  return common::is_quantized(type) ? kBlockColumns : type == WeightType::kF32 ? kFloatColumns : kHalfColumns;
}
/// Rows that lie together.
constexpr std::int64_t row_unit(WeightType type) {
  return type == WeightType::kF32 ? kFloatGroupRows : kTileRows;
}
/// Bytes of row_unit() rows of n_cols columns.
constexpr std::int64_t row_unit_bytes(WeightType type, std::int64_t n_cols) {
  const std::int64_t units = divide_up(n_cols, column_unit(type));
  if (common::is_quantized(type)) return units * quant_layout(type).block_bytes;
  return units * column_unit(type) * row_unit(type) * (type == WeightType::kF32 ? 4 : 2);
}
/// Bytes of a matrix on the device.
constexpr std::int64_t matrix_bytes(WeightType type, std::int64_t n_rows, std::int64_t n_cols) {
  return divide_up(n_rows, row_unit(type)) * row_unit_bytes(type, n_cols);
}

/// The columns of a matrix are cut into segments by its type and width alone. A product sums each in ascending order
/// and then the segments in ascending order, however many rows of activations there are: (s0 + s1) + s2 ...
inline constexpr int kMostSegments = 8;
LLORCH_HOST_DEVICE constexpr int segment_count(std::int64_t n_units, std::int64_t unit_columns) {
  const std::int64_t n = n_units * unit_columns / 256;
  return n < 1 ? 1 : n > kMostSegments ? kMostSegments : static_cast<int>(n);
}
/// First unit of a segment; segment n is where the last one ends.
LLORCH_HOST_DEVICE constexpr std::int32_t segment_begin(std::int32_t n_units, int segment, int n_segments) {
  // In 32 bits without sign, whose division is short: every block of every product begins with it.
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(n_units) * static_cast<std::uint32_t>(segment) /
                                   static_cast<std::uint32_t>(n_segments));
}

}  // namespace llorch::cuda
