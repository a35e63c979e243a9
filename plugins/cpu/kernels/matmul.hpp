// Matrix products over packed weights. Nearly all the time of a forward pass goes here: decode waits for the weights to
// arrive from memory, prefill for the two FMA units.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "cpu/kernels/types.hpp"

namespace llorch::cpu::LLORCH_CPU_ISA {

/// Columns ahead of the multiplication at which weights are asked for when they come from memory: 4 KiB of each group.
template <class W>
inline constexpr std::int64_t kPrefetchColumns = 4096 / (kLanes * static_cast<std::int64_t>(sizeof(W)));
/// Token rows whose activations, kPanelColumns wide, stay in L2 together with a weight panel.
inline constexpr std::int64_t kBlockTokens = 768;
static_assert(kBlockTokens % kTileTokens == 0, "a tile that crosses blocks would be laid out twice");

/// y(t, g) continues the chains of T tokens by G groups over n_cols columns.
/// w: (G, n_cols, kLanes) with group_stride; x: (n_cols, T).
template <int G, int T, class W, bool kFromMemory>
void multiply_tile(const W* w, std::int64_t group_stride, std::int64_t n_cols, const float* x, Start start, float* y,
                   std::int64_t y_stride) {
  V16 acc[T][G];
  LLORCH_UNROLL
  for (int t = 0; t < T; ++t) {
    LLORCH_UNROLL
    for (int g = 0; g < G; ++g) {
      acc[t][g] = start.values == nullptr ? splat(0.0f) : load(start.values + t * start.stride + g * kLanes);
    }
  }
  // Inlined by force: a function of its own would keep the accumulators in memory.
  const auto column = [&](std::int64_t k) __attribute__((always_inline)) {
    V16 weights[G];
    LLORCH_UNROLL
    for (int g = 0; g < G; ++g)
      weights[g] = load(w + g * group_stride + k * kLanes);
    LLORCH_UNROLL
    for (int t = 0; t < T; ++t) {
      const V16 activation = splat(x[k * T + t]);
      LLORCH_UNROLL
      for (int g = 0; g < G; ++g)
        acc[t][g] = fma(weights[g], activation, acc[t][g]);
    }
  };
  constexpr int kLineColumns = 64 / (kLanes * static_cast<int>(sizeof(W)));
  const auto columns = [&](std::int64_t begin, std::int64_t end, std::int64_t prefetch_offset)
      __attribute__((always_inline)) {
    std::int64_t k = begin;
    for (; k + kLineColumns <= end; k += kLineColumns) {
      if constexpr (kFromMemory) {
        LLORCH_UNROLL
        for (int g = 0; g < G; ++g)
          prefetch(w + g * group_stride + k * kLanes + prefetch_offset);
      }
      LLORCH_UNROLL
      for (int i = 0; i < kLineColumns; ++i)
        column(k + i);
    }
    for (; k < end; ++k)
      column(k);
  };
  if constexpr (kFromMemory) {
    // The last columns ask for the first ones of the next G groups, which lie G - 1 groups after this one's end.
    constexpr std::int64_t kAhead = kPrefetchColumns<W>;
    const std::int64_t near_end = n_cols > kAhead ? n_cols - kAhead : 0;
    columns(0, near_end, kAhead * kLanes);
    columns(near_end, n_cols, (G - 1) * group_stride + kAhead * kLanes);
  } else {
    columns(0, n_cols, 0);
  }
  LLORCH_UNROLL
  for (int t = 0; t < T; ++t) {
    LLORCH_UNROLL
    for (int g = 0; g < G; ++g)
      store(y + t * y_stride + g * kLanes, acc[t][g]);
  }
}

template <class W>
using TileFunction = void (*)(const W*, std::int64_t, std::int64_t, const float*, Start, float*, std::int64_t);

/// Groups that a tile of T tokens spans within the accumulators that the set has.
constexpr int groups_of_tile(int n_tokens) {
  if (4 * n_tokens <= kAccumulators) return 4;
  if (2 * n_tokens <= kAccumulators) return 2;
  return 1;
}

/// Tiles of 1..N tokens: `wide` over groups_of_tile(T) groups, `single` over one.
template <class W, bool kFromMemory, std::size_t N>
struct TileTable {
  TileFunction<W> wide[N], single[N];
};
template <class W, bool kFromMemory, std::size_t... I>
constexpr TileTable<W, kFromMemory, sizeof...(I)> make_tile_table(std::index_sequence<I...>) {
  return {{&multiply_tile<groups_of_tile(I + 1), I + 1, W, kFromMemory>...},
          {&multiply_tile<1, I + 1, W, kFromMemory>...}};
}
template <class W, bool kFromMemory, std::size_t N>
inline constexpr TileTable<W, kFromMemory, N> kTiles = make_tile_table<W, kFromMemory>(std::make_index_sequence<N>{});

/// Up to this many tokens, weights are widened in registers; above it, once into a panel that all tiles share.
inline constexpr std::int64_t kDirectTokens = kTileTokens;

/// All tokens in one tile: weights go from memory to registers once.
template <class W>
void matmul_direct(const MatmulArgs& a, std::int64_t group_begin, std::int64_t group_end) {
  const auto t = static_cast<std::size_t>(a.n_tokens - 1);
  const auto& tiles = kTiles<W, true, kDirectTokens>;
  const std::int64_t group_stride = a.weights.n_cols * kLanes;
  const int step = groups_of_tile(static_cast<int>(a.n_tokens));
  const W* w = static_cast<const W*>(a.weights.data);
  const auto run = [&](TileFunction<W> tile, std::int64_t g) {
    tile(w + g * group_stride, group_stride, a.weights.n_cols, static_cast<const float*>(a.x),
         {a.bias == nullptr ? nullptr : a.bias + g * kLanes, 0}, a.y + g * kLanes, a.y_stride);
  };
  std::int64_t g = group_begin;
  for (; g + step <= group_end; g += step)
    run(tiles.wide[t], g);
  for (; g < group_end; ++g)
    run(tiles.single[t], g);
}

/// Columns [k, k + n) of n_groups groups from g on, as f32: in place when they are, else widened into the panel.
template <class W>
const float* widen_panel(const W* w, std::int64_t g, std::int64_t n_groups, std::int64_t k, std::int64_t n,
                         std::int64_t group_stride, float* panel, std::int64_t* panel_stride) {
  const W* first = w + g * group_stride + k * kLanes;
  if constexpr (sizeof(W) == sizeof(float)) {
    *panel_stride = group_stride;
    return first;
  } else {
    *panel_stride = n * kLanes;
    for (std::int64_t i = 0; i < n_groups; ++i) {
      for (std::int64_t c = 0; c < n; ++c) {
        store(panel + (i * n + c) * kLanes, load(first + i * group_stride + c * kLanes));
      }
    }
    return panel;
  }
}

/// Many tiles: blocks of tokens whose activations stay in L2, blocks of columns whose chains pause in y.
template <class W>
void matmul_blocked(const MatmulArgs& a, std::int64_t group_begin, std::int64_t group_end) {
  const auto& tiles = kTiles<float, false, kTileTokens>;
  const std::int64_t n_cols = a.weights.n_cols;
  const std::int64_t group_stride = n_cols * kLanes;
  const W* w = static_cast<const W*>(a.weights.data);
  constexpr int kStep = groups_of_tile(kTileTokens);
  for (std::int64_t block = 0; block < a.n_tokens; block += kBlockTokens) {
    const std::int64_t block_end = block + kBlockTokens < a.n_tokens ? block + kBlockTokens : a.n_tokens;
    for (std::int64_t k = 0; k < n_cols; k += kPanelColumns) {
      const std::int64_t n = k + kPanelColumns < n_cols ? kPanelColumns : n_cols - k;
      for (std::int64_t g = group_begin; g < group_end;) {
        const int n_groups = g + kStep <= group_end ? kStep : 1;
        std::int64_t panel_stride = 0;
        const float* panel = widen_panel(w, g, n_groups, k, n, group_stride, a.panel, &panel_stride);
        for (std::int64_t t = block; t < block_end; t += kTileTokens) {
          const std::int64_t rows = t + kTileTokens < a.n_tokens ? kTileTokens : a.n_tokens - t;
          const auto& family = n_groups == 1 ? tiles.single : tiles.wide;
          float* y = a.y + t * a.y_stride + g * kLanes;
          // A tile of fewer tokens may span more groups than this panel has.
          const Start start = k > 0               ? Start{y, a.y_stride}
                              : a.bias == nullptr ? Start{nullptr, 0}
                                                  : Start{a.bias + g * kLanes, 0};
          const float* x = static_cast<const float*>(a.x) + t * n_cols + k * rows;
          if (n_groups > 1 && groups_of_tile(static_cast<int>(rows)) != n_groups) {
            for (int i = 0; i < n_groups; ++i) {
              const Start one = {start.values == nullptr ? nullptr : start.values + i * kLanes, start.stride};
              tiles.single[rows - 1](panel + i * panel_stride, panel_stride, n, x, one, y + i * kLanes, a.y_stride);
            }
          } else {
            family[rows - 1](panel, panel_stride, n, x, start, y, a.y_stride);
          }
        }
        g += n_groups;
      }
    }
  }
}

template <class W>
void matmul_typed(const MatmulArgs& a, std::int64_t group_begin, std::int64_t group_end) {
  if (a.n_tokens <= kDirectTokens) {
    matmul_direct<W>(a, group_begin, group_end);
  } else {
    matmul_blocked<W>(a, group_begin, group_end);
  }
}

inline void matmul(const MatmulArgs& a, std::int64_t group_begin, std::int64_t group_end) {
  switch (a.weights.type) {
    case WeightType::kF32:
      return matmul_typed<float>(a, group_begin, group_end);
    case WeightType::kF16:
      return matmul_typed<F16>(a, group_begin, group_end);
    case WeightType::kBf16:
      return matmul_typed<Bf16>(a, group_begin, group_end);
    default:
      return;  // quantized: matmul_quant.hpp
  }
}

inline void pack_activations(const float* x, std::int64_t x_stride, std::int64_t n_cols, std::int64_t token_begin,
                             std::int64_t token_end, float* tiles) {
  constexpr std::int64_t kBlockColumns = 64;  // of all rows of a tile: what is written stays in L1 until it is whole
  for (std::int64_t t = token_begin; t < token_end; t += kTileTokens) {
    const std::int64_t rows = t + kTileTokens < token_end ? kTileTokens : token_end - t;
    for (std::int64_t block = 0; block < n_cols; block += kBlockColumns) {
      const std::int64_t block_end = block + kBlockColumns < n_cols ? block + kBlockColumns : n_cols;
      for (std::int64_t r = 0; r < rows; ++r) {
        const float* from = x + (t + r) * x_stride;
        float* tile = tiles + t * n_cols + r;
        for (std::int64_t k = block; k < block_end; ++k)
          tile[k * rows] = from[k];
      }
    }
  }
}

}  // namespace llorch::cpu::LLORCH_CPU_ISA
