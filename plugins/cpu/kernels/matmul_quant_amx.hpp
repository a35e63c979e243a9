// Products of many rows with matrix tiles (AMX): 16 rows of activations by 16 rows of weights by one part of a block in
// one instruction, exact, hence equal to the other sets; then the scales, as everywhere.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <utility>

#include "cpu/kernels/packing.hpp"

namespace llorch::cpu::LLORCH_CPU_ISA {

static_assert(kQuantTile == 16 && kPaddedTiles, "a tile register has 16 rows");

/// As the tile configuration instruction reads it.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};

/// Tiles 0, 1: sums (16 rows of activations, 16 int32). 2, 4: activations. 3, 5: codes, four columns to a line.
inline void configure_tiles(int part_columns) {
  TileConfig config;
  const auto set = [&](int tile, int rows, int row_bytes) {
    config.rows[tile] = static_cast<std::uint8_t>(rows);
    config.row_bytes[tile] = static_cast<std::uint16_t>(row_bytes);
  };
  for (int i = 0; i < 2; ++i) {
    set(i, kQuantTile, 4 * kLanes);
    set(2 + 2 * i, kQuantTile, part_columns);
    set(3 + 2 * i, part_columns / 4, 4 * kLanes);
  }
  // GCC 12 believes that only the first bytes are read and drops the others.
  asm volatile("" ::"m"(config) : "memory");
  _tile_loadconfig(&config);
}

/// Columns of a panel of signed codes: with its scales it stays in L1 while activations pass from L2.
inline constexpr std::int64_t kAmxPanelColumns = 1024;
inline constexpr std::int64_t kAmxPanelBlocks = kAmxPanelColumns / kQuantColumns;
/// Rows whose activations stay in L2 while the weights pass, with the results of one row group between its panels.
/// Wide codes are read less often: memory would hold them up.
constexpr std::int64_t amx_block_tokens(int bits) {
  return bits > 5 ? 256 : 128;
}

/// Unpacked columns of one row group, as QuantPanel, but with the offsets subtracted.
struct AmxPanel {
  std::uint8_t* codes;
  float* scales;
  float* minimums;
  static AmxPanel at(float* memory) {
    return {reinterpret_cast<std::uint8_t*>(memory), memory + kAmxPanelBlocks * 8 * kLanes,
            memory + kAmxPanelBlocks * 10 * kLanes};
  }
};
static_assert(kAmxPanelBlocks * 12 * kLanes <= kPanelFloats);

template <WeightType kType, std::size_t... kQuad>
LLORCH_INLINE void unpack_signed(const std::uint8_t* codes, std::uint8_t* out, std::index_sequence<kQuad...>) {
  constexpr int kShift = packed_format(kType).offset_shift;
  const __m512i offset = _mm512_set1_epi8(static_cast<char>(kShift < 0 ? 0 : 1 << (kShift < 0 ? 0 : kShift)));
  (store_codes(out + kQuad * 64, {_mm512_sub_epi8(unpack<kType, static_cast<int>(kQuad)>(codes).v, offset)}), ...);
}

/// Blocks [block, block + n) of row group g.
template <WeightType kType>
void unpack_amx_panel(const PackedView& weights, std::int64_t g, std::int64_t block, std::int64_t n,
                      const AmxPanel& out) {
  constexpr PackedFormat kFormat = packed_format(kType);
  const std::int64_t n_blocks = weights.n_cols / kQuantColumns;
  const auto* group = static_cast<const std::uint8_t*>(weights.data) + g * kFormat.group_bytes(weights.n_cols);
  const std::uint8_t* codes = group + block * kFormat.code_bytes();
  ScaleReader<kType> scales(group + n_blocks * kFormat.code_bytes() +
                            block / (kFormat.scale_columns() / kQuantColumns) * kFormat.scale_bytes());
  for (std::int64_t b = 0; b < n; ++b) {
    unpack_signed<kType>(codes + b * kFormat.code_bytes(), out.codes + b * 512, std::make_index_sequence<8>{});
    scales.enter(b);
    for (int p = 0; p < kFormat.parts(); ++p) {
      const PartScale part = scales.part();
      store(out.scales + (b * kFormat.parts() + p) * kLanes, part.scale);
      if constexpr (kFormat.minimums) store(out.minimums + (b * kFormat.parts() + p) * kLanes, part.minimum);
    }
  }
  asm volatile("" ::: "memory");  // the tile loads below do not tell the compiler what they read
}

using TileSums = std::int32_t[kQuantTile][kLanes];

/// Sums of one part of a block, on the tiles of its parity.
template <int kParity>
LLORCH_INLINE void multiply_part(const std::int8_t* activations, const std::uint8_t* codes, TileSums& sums) {
  if constexpr (kParity == 0) {
    _tile_zero(0);
    _tile_loadd(2, activations, kQuantColumns);
    _tile_loadd(3, codes, 4 * kLanes);
    _tile_dpbssd(0, 2, 3);
    _tile_stored(0, sums, 4 * kLanes);
  } else {
    _tile_zero(1);
    _tile_loadd(4, activations, kQuantColumns);
    _tile_loadd(5, codes, 4 * kLanes);
    _tile_dpbssd(1, 4, 5);
    _tile_stored(1, sums, 4 * kLanes);
  }
}

/// Continues the chains of a tile of activations, `count` rows of which count, by one row group over n blocks.
template <int kParts, bool kMinimums>
void amx_tile(const AmxPanel& panel, std::int64_t n, const std::int8_t* x, std::int64_t count, Start start, float* y,
              std::int64_t y_stride) {
  constexpr int kQuads = 8 / kParts;
  const std::int64_t n_parts = n * kParts;
  alignas(64) TileSums sums[2];
  V16 acc[kQuantTile];
  LLORCH_UNROLL
  for (int t = 0; t < kQuantTile; ++t)
    acc[t] = start.values == nullptr || t >= count ? splat(0.0f) : load(start.values + t * start.stride);
  const auto multiply = [&]<int kParity>(std::int64_t part) __attribute__((always_inline)) {
    const std::int8_t* codes = x + part / kParts * (kQuantTile * kQuantRowBytes) + part % kParts * (kQuads * 4);
    multiply_part<kParity>(codes, panel.codes + part * (kQuads * 64), sums[kParity]);
  };
  const auto scale = [&]<int kParity>(std::int64_t part) __attribute__((always_inline)) {
    const ActivationBlock block = ActivationBlock::at(x, part / kParts, kQuantTile);
    const V16 scales = load(panel.scales + part * kLanes);
    LLORCH_UNROLL
    for (int t = 0; t < kQuantTile; ++t) {
      const I16 sum = {_mm512_load_si512(sums[kParity][t])};
      acc[t] = fma(mul(scales, splat(block.scales[t])), to_float(sum), acc[t]);
    }
    if constexpr (kMinimums) {
      const V16 minimums = load(panel.minimums + part * kLanes);
      const float* scaled = block.sums + (kParts == 1 ? 0 : 1 + part % kParts) * kQuantTile;
      LLORCH_UNROLL
      for (int t = 0; t < kQuantTile; ++t)
        acc[t] = fma(minimums, splat(scaled[t]), acc[t]);
    }
  };
  // While the scales of one part are applied, the tiles work on the next.
  multiply.template operator()<0>(0);
  std::int64_t part = 0;
  for (; part + 2 < n_parts; part += 2) {
    multiply.template operator()<1>(part + 1);
    scale.template operator()<0>(part);
    multiply.template operator()<0>(part + 2);
    scale.template operator()<1>(part + 1);
  }
  if (part + 1 < n_parts) {
    multiply.template operator()<1>(part + 1);
    scale.template operator()<0>(part);
    scale.template operator()<1>(part + 1);
  } else {
    scale.template operator()<0>(part);
  }
  LLORCH_UNROLL
  for (int t = 0; t < kQuantTile; ++t) {
    if (t < count) store(y + t * y_stride, acc[t]);
  }
}

template <WeightType kType>
void quant_many(const MatmulArgs& a, std::int64_t group_begin, std::int64_t group_end) {
  constexpr PackedFormat kFormat = packed_format(kType);
  const std::int64_t n_cols = a.weights.n_cols;
  const auto* tiles = static_cast<const std::int8_t*>(a.x);
  const AmxPanel panel = AmxPanel::at(a.panel);
  constexpr std::int64_t kBlockTokens = amx_block_tokens(kFormat.bits);
  configure_tiles(kFormat.part_columns);
  for (std::int64_t token_block = 0; token_block < a.n_tokens; token_block += kBlockTokens) {
    const std::int64_t token_end = token_block + kBlockTokens < a.n_tokens ? token_block + kBlockTokens : a.n_tokens;
    for (std::int64_t g = group_begin; g < group_end; ++g) {
      for (std::int64_t k = 0; k < n_cols; k += kAmxPanelColumns) {
        const std::int64_t n = (k + kAmxPanelColumns < n_cols ? kAmxPanelColumns : n_cols - k) / kQuantColumns;
        unpack_amx_panel<kType>(a.weights, g, k / kQuantColumns, n, panel);
        for (std::int64_t t = token_block; t < token_end; t += kQuantTile) {
          const std::int8_t* x = tiles + quantized_offset(t, n_cols) + k / kQuantColumns * kQuantTile * kQuantRowBytes;
          float* y = a.y + t * a.y_stride + g * kLanes;
          const Start start = k > 0               ? Start{y, a.y_stride}
                              : a.bias == nullptr ? Start{nullptr, 0}
                                                  : Start{a.bias + g * kLanes, 0};
          const std::int64_t count = t + kQuantTile < token_end ? kQuantTile : token_end - t;
          for (std::int64_t i = kQuantTile; i < 2 * kQuantTile && t + i < token_end; ++i)
            __builtin_prefetch(y + i * a.y_stride, 1, 3);  // rows of the next tile lie far apart
          amx_tile<kFormat.parts(), kFormat.minimums>(panel, n, x, count, start, y, a.y_stride);
        }
      }
    }
  }
  _tile_release();  // a thread without live tiles is cheaper to switch
}

}  // namespace llorch::cpu::LLORCH_CPU_ISA
