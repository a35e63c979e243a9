// How quantized weights and quantized activations lie in memory. Plain data only: included by files compiled for one
// instruction set.
#pragma once

#include <cstdint>

#include "common/quant/quant_format.hpp"
#include "cpu/kernels/types.hpp"

namespace llorch::cpu {

using common::kIq4Codes;
using common::kQuantColumns;
using common::kSuperColumns;

/// The format of a type, and what a row group of it takes once it is packed.
struct PackedFormat : common::QuantFormat {
  /// Bytes of the codes of kQuantColumns columns of one row group.
  [[nodiscard]] constexpr std::int64_t code_bytes() const { return std::int64_t{kLanes} * kQuantColumns * bits / 8; }
  /// Bytes of the scales and minimums of scale_columns() columns of one row group.
  [[nodiscard]] constexpr std::int64_t scale_bytes() const {
    const int halves = minimums ? 2 : 1;
    return std::int64_t{kLanes} * halves * (2 + (super_scales ? kSuperColumns / part_columns : 0));
  }
  /// Bytes of a row group: the codes of all columns, then all scales, padded to whole cache lines.
  [[nodiscard]] constexpr std::int64_t group_bytes(std::int64_t n_cols) const {
    const std::int64_t bytes = n_cols / kQuantColumns * code_bytes() + n_cols / scale_columns() * scale_bytes();
    return (bytes + 63) / 64 * 64;
  }
};

/// Packed form of a quantized type. Codes of kQuantColumns columns are planes of 64 bytes whose byte 4 * row + i
/// belongs to column 4 * quad + i, for quads 0..7. With 8 bits there is a plane for each quad. The low 4 bits lie two
/// quads to a plane (q and q + 4), 2 bits four to a plane (at bit 2 * (q % 4) of plane q / 4), 1 bit all eight (bit q).
/// Codes of 3, 5 and 6 bits are the low 2, 4 and 4 bits followed by planes of the upper 1, 1 and 2 bits. Scales: f16
/// scales of the 16 rows, f16 minimums (of K-quants: negated factors of the minimums), then int8 scales (part, row),
/// then int8 minimums (part, row).
constexpr PackedFormat packed_format(WeightType type) {
  return {common::quant_format(type)};
}

/// Activations quantized by KernelTable::quantize_activations: tiles of up to quant_tile_tokens rows (some sets pad
/// them, each knows its own). For each
/// kQuantColumns columns a tile holds, for its `rows` rows:
///   int8 codes (rows, kQuantColumns)
///   f32 scales (rows): x = scale * code
///   int32 negated sums of codes (3, rows): of all columns, of the first 16, of the last 16
///   f32 scale * sum of codes (3, rows): the same three
inline constexpr std::int64_t kQuantRowBytes = kQuantColumns + 7 * 4;

/// Bytes to provide for the quantized form of n_rows rows of n_cols columns; tiles may be padded to 16 rows.
constexpr std::int64_t quantized_bytes(std::int64_t n_rows, std::int64_t n_cols) {
  return (n_rows + 15) / 16 * 16 * (n_cols / kQuantColumns) * kQuantRowBytes;
}
/// Where the tile that starts with row `token` begins.
constexpr std::int64_t quantized_offset(std::int64_t token, std::int64_t n_cols) {
  return token * (n_cols / kQuantColumns) * kQuantRowBytes;
}

}  // namespace llorch::cpu
