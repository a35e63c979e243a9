// Whole rows of activations, quantized block by block into tiles (packing.hpp says how they lie).
#pragma once

#include <cstdint>
#include <cstring>

#include "cpu/kernels/packing.hpp"

namespace llorch::cpu::LLORCH_CPU_ISA {

/// The block of quantized activations of one tile and kQuantColumns columns.
struct ActivationBlock {
  const std::int8_t* codes;          // (rows, kQuantColumns)
  const float* scales;               // (rows)
  const std::int32_t* negated_sums;  // (3, rows)
  const float* sums;                 // (3, rows), scaled

  static ActivationBlock at(const std::int8_t* tile, std::int64_t block, std::int64_t rows) {
    const std::int8_t* codes = tile + block * rows * kQuantRowBytes;
    const auto* scales = reinterpret_cast<const float*>(codes + rows * kQuantColumns);
    const auto* negated_sums = reinterpret_cast<const std::int32_t*>(scales + rows);
    return {codes, scales, negated_sums, reinterpret_cast<const float*>(negated_sums + 3 * rows)};
  }
};

/// Rows that the tile from row t on is laid out for, of n_tokens in all.
inline std::int64_t rows_of_tile(std::int64_t t, std::int64_t n_tokens) {
  if (kPaddedTiles && (t > 0 || n_tokens > kQuantTileRows)) return kQuantTile;
  return t + kQuantTile < n_tokens ? kQuantTile : n_tokens - t;
}

inline void quantize_activations(const float* x, std::int64_t x_stride, std::int64_t n_cols, std::int64_t token_begin,
                                 std::int64_t token_end, void* tiles) {
  for (std::int64_t t = token_begin; t < token_end; t += kQuantTile) {
    const std::int64_t last = t + kQuantTile < token_end ? t + kQuantTile : token_end;
    const std::int64_t rows = rows_of_tile(t, token_end);
    std::int8_t* tile = static_cast<std::int8_t*>(tiles) + quantized_offset(t, n_cols);
    for (std::int64_t k = 0; k < n_cols; k += kQuantColumns) {
      std::int8_t* codes = tile + k / kQuantColumns * rows * kQuantRowBytes;
      auto* scales = reinterpret_cast<float*>(codes + rows * kQuantColumns);
      auto* negated_sums = reinterpret_cast<std::int32_t*>(scales + rows);
      auto* sums = reinterpret_cast<float*>(negated_sums + 3 * rows);
      for (std::int64_t r = 0; r < last - t; ++r) {
        std::int32_t halves[2] = {0, 0};
        const float scale = quantize_block(x + (t + r) * x_stride + k, codes + r * kQuantColumns, halves);
        scales[r] = scale;
        const std::int32_t three[3] = {halves[0] + halves[1], halves[0], halves[1]};
        for (int i = 0; i < 3; ++i) {
          negated_sums[i * rows + r] = -three[i];
          sums[i * rows + r] = scale * static_cast<float>(three[i]);
        }
      }
    }
  }
}

}  // namespace llorch::cpu::LLORCH_CPU_ISA
