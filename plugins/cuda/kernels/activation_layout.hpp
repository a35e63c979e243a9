// How converted activations lie. Tiles of 8 rows (matrix B of mma.sync); with g = lane / 4, t = lane % 4 a lane takes
// row g.
//
//   F32   (row, columns padded to kFloatColumns)
//   F16   the inverse of each row's factor (round_up(capacity, 64)) floats; then (tile, unit of kHalfColumns,
//         chunk of 32, row, 32 halves): a lane's 16 bytes are columns 8t..8t+7, the two steps of a chunk
//   BF16  (tile, unit, chunk, upper or lower part, row, 32)
//   Q8    (tile, block of kBlockColumns columns) of
//           codes          (chunk, row, 32): a lane's 8 bytes are columns 4t..4t+3 and 16+4t..16+4t+3 of the chunk
//           scales         (chunk, row) f32: x = scale * code
//           sums           (chunk, row) f32: scale * sum of codes
//           sums of halves (chunk, half, row) f32
// Columns up to the next unit are zero, and rows up to the next multiple of 8. Where there are no more than kDecodeRows
// rows, products read nothing of the others but, of Q8, scales and sums: only these are zero there.
#pragma once

#include <cstdint>

#include "cuda/kernels/kernels.hpp"
#include "cuda/weights/host_device.hpp"

namespace llorch::cuda {

inline constexpr std::int64_t kActivationRows = 8;  // of a tile

inline constexpr std::int64_t kQ8Scales = 2048;  // bytes from the start of a block
inline constexpr std::int64_t kQ8Sums = kQ8Scales + 256;
inline constexpr std::int64_t kQ8HalfSums = kQ8Sums + 256;
inline constexpr std::int64_t kQ8Block = kQ8HalfSums + 512;

inline constexpr std::int64_t kF16Unit = kActivationRows * kHalfColumns * 2;  // bytes of a tile and a unit
inline constexpr std::int64_t kBf16Unit = 2 * kF16Unit;

LLORCH_HOST_DEVICE constexpr std::int64_t activation_unit(ActivationKind kind) {
  return kind == ActivationKind::kF32 ? kFloatColumns : kind == ActivationKind::kQ8 ? kBlockColumns : kHalfColumns;
}
LLORCH_HOST_DEVICE constexpr std::int64_t padded_columns(ActivationKind kind, std::int64_t n_cols) {
  return divide_up(n_cols, activation_unit(kind)) * activation_unit(kind);
}
/// Bytes of the factors in front of F16.
LLORCH_HOST_DEVICE constexpr std::int64_t factor_bytes(ActivationKind kind, std::int64_t capacity) {
  return kind == ActivationKind::kF16 ? divide_up(capacity, 64) * 256 : 0;
}
/// Bytes of a tile of 8 rows.
LLORCH_HOST_DEVICE constexpr std::int64_t activation_tile_bytes(ActivationKind kind, std::int64_t n_cols) {
  const std::int64_t columns = padded_columns(kind, n_cols);
  switch (kind) {
    case ActivationKind::kF32:
      return columns * kActivationRows * 4;
    case ActivationKind::kF16:
      return columns / kHalfColumns * kF16Unit;
    case ActivationKind::kBf16:
      return columns / kHalfColumns * kBf16Unit;
    default:
      return columns / kBlockColumns * kQ8Block;
  }
}

}  // namespace llorch::cuda
