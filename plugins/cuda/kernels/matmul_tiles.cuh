// The two kernels of a product on tensor cores, for any family of weights. A family says how 16 rows and one unit of
// columns are loaded and multiplied:
//
//   kUnitBytes                 of 16 rows and a unit of columns
//   kXUnitBytes, kXUsedBytes   of a tile of 8 activation rows and a unit; of its start that products read
//   kDecodeStages              units that a decoding warp has on their way at once, at most
//   kXTilesOfWarp, kColumnWarps    of the largest block of the other kernel: tiles of activations of a warp, such warps
//   copy_x(stage, x_unit, lane, n_rows)   starts copying the first n_rows rows of a tile of activations
//   add<kTiles, kN>(units, x, n_live, lane, live, acc)
//                              acc += the products of kTiles units of weights, kUnitBytes apart, and the first n_live
//                              of kN tiles of activations, kXUsedBytes apart, all in shared memory; not `live`: the
//                              lane's activations are zero
//
// acc[0], acc[1] are row g = lane / 4, activation rows 2t, 2t + 1 of the tile, t = lane % 4; acc[2], acc[3] those of
// row g + 8. add() adds to each acc the same numbers in the same order whatever kTiles and kN.
#pragma once

#include "cuda/device/launch.hpp"
#include "cuda/kernels/activation_layout.hpp"
#include "cuda/kernels/device_code.hpp"
#include "cuda/kernels/matmul_params.hpp"

namespace llorch::cuda {

/// Writes one element: row `row` of the matrix, row `column` of the activations.
__device__ __forceinline__ void store_product(const MatmulParams& p, const MatmulTarget& target, int row, int column,
                                              float value) {
  float* at = target.y + column * target.y_stride + row;
  *at = p.add ? *at + value : value;
}
__device__ __forceinline__ float undo_factor(const MatmulParams& p, int column, float value) {
  return p.factors == nullptr ? value : value * p.factors[column];
}

/// The target that holds row unit `index` of all of them, in turn; index becomes that within the target. One beyond the
/// end has n_tiles <= index.
__device__ __forceinline__ MatmulTarget find_target(const MatmulParams& p, int tiles_at_once, int& index) {
  MatmulTarget target = p.targets[0];
  LLORCH_UNROLL
  for (int i = 1; i < kMostProducts; ++i) {
    const int n = (target.n_tiles + tiles_at_once - 1) / tiles_at_once;
    if (i < p.n_targets && index >= n) {
      index -= n;
      target = p.targets[i];
    } else {
      break;
    }
  }
  return target;
}

// ---- up to 8 rows: a block has one tile of rows, a warp one segment of columns --------------------------------------

/// Each warp copies its own units to its own shared memory, n_stages of them on their way at once: what waits for
/// memory holds no registers. kMatrices 2: gate, then up.
template <class Family, int kMatrices>
__global__ void __launch_bounds__(kMostSegments * 32) decode_product(MatmulParams p, int n_stages) {
  constexpr int kStageBytes = Family::kUnitBytes + Family::kXUsedBytes;
  auto* shared = shared_memory<unsigned char>();
  const int lane = lane_id();
  const int segment = warp_id();
  int tile = static_cast<int>(blockIdx.x);
  MatmulTarget target = p.targets[0];
  if constexpr (kMatrices == 1) target = find_target(p, 1, tile);
  const int begin = segment_begin(p.n_units, segment, p.n_segments);
  const int n_units = segment_begin(p.n_units, segment + 1, p.n_segments) - begin;
  unsigned char* stages = shared + segment * n_stages * kStageBytes;

  // Item i is unit i of the segment, first of one matrix, then of the other; the stages take turns.
  const auto is_second = [&](int item) { return kMatrices == 2 && item >= n_units; };
  const auto unit_of = [&](int item) { return begin + (is_second(item) ? item - n_units : item); };
  const auto load_weights = [&](int item, unsigned char* stage) {
    const unsigned char* from = (is_second(item) ? p.targets[1].weights : target.weights) + tile * p.tile_bytes +
                                std::int64_t{unit_of(item)} * Family::kUnitBytes;
    LLORCH_UNROLL
    for (int i = 0; i < Family::kUnitBytes; i += 512) {
      if (i + lane * 16 < Family::kUnitBytes) copy_async_16(stage + i + lane * 16, from + i + lane * 16);
    }
  };
  const auto load_x = [&](int item, unsigned char* stage) {
    Family::copy_x(stage + Family::kUnitBytes, p.x + std::int64_t{unit_of(item)} * Family::kXUnitBytes, lane, p.n_rows);
  };
  const int n_items = kMatrices * n_units;
  // The weights of all stages are on their way before the activations are even there.
  for (int i = 0; i < n_stages && i < n_items; ++i)
    load_weights(i, stages + i * kStageBytes);
  wait_its_turn();
  for (int i = 0; i < n_stages; ++i) {
    if (i < n_items) load_x(i, stages + i * kStageBytes);
    copy_async_commit();
  }
  const bool live = lane / 4 < p.n_rows;
  float acc[kMatrices][1][1][4] = {};
  unsigned char* stage = stages;
  unsigned char* const stages_end = stages + n_stages * kStageBytes;
  LLORCH_UNROLL
  for (int m = 0; m < kMatrices; ++m) {
    LLORCH_NO_UNROLL
    for (int i = 0; i < n_units; ++i) {
      const int item = m * n_units + i;
      wait_for_stage<Family::kDecodeStages>(n_stages);
      warp_sync();
      Family::template add<1, 1>(stage, stage + Family::kUnitBytes, 1, lane, live, acc[m]);
      warp_sync();
      if (item + n_stages < n_items) {
        load_weights(item + n_stages, stage);
        load_x(item + n_stages, stage);
      }
      copy_async_commit();
      stage += kStageBytes;
      if (stage == stages_end) stage = stages;
    }
  }
  block_sync();
  auto* partial = reinterpret_cast<float*>(shared);  // (matrix, segment, lane, 4)
  LLORCH_UNROLL
  for (int m = 0; m < kMatrices; ++m) {
    const float(&a)[4] = acc[m][0][0];
    store_words4(partial + ((m * p.n_segments + segment) * 32 + lane) * 4,
                 {bits_of(a[0]), bits_of(a[1]), bits_of(a[2]), bits_of(a[3])});
  }
  block_sync();

  for (int i = static_cast<int>(threadIdx.x); i < 128; i += static_cast<int>(blockDim.x)) {
    const int row = i % 16;
    const int column = i / 16;
    const int at = (row % 8 * 4 + column / 2) * 4 + row / 8 * 2 + column % 2;
    float total[kMatrices];
    LLORCH_UNROLL
    for (int m = 0; m < kMatrices; ++m) {
      const float* of_matrix = partial + m * p.n_segments * 128 + at;
      total[m] = of_matrix[0];
      for (int s = 1; s < p.n_segments; ++s)
        total[m] = total[m] + of_matrix[s * 128];
    }
    const int matrix_row = tile * 16 + row;
    if (column >= p.n_rows || matrix_row >= target.n_rows) continue;
    LLORCH_UNROLL
    for (int m = 0; m < kMatrices; ++m)
      total[m] = undo_factor(p, column, total[m]);
    if constexpr (kMatrices == 1) {
      store_product(p, target, matrix_row, column, total[0]);
    } else {
      store_product(p, target, matrix_row, column, silu(total[0]) * total[1]);
    }
  }
}

// ---- more rows: tiles in shared memory ------------------------------------------------------------------------------

/// Warps of a block side by side along the rows of the matrix; each has two tiles of 16 rows.
inline constexpr int kRowWarps = 4;
inline constexpr int kBlockTiles = 2 * kRowWarps;
inline constexpr int kPrefillStages = 4;  // at most

template <class Family, int kN, int kColumnWarps>
struct PrefillShape {
  static constexpr int kThreads = kRowWarps * kColumnWarps * 32;
  static constexpr int kXTiles = kN * kColumnWarps;
  static constexpr int kStageBytes = kBlockTiles * Family::kUnitBytes + kXTiles * Family::kXUsedBytes;
  static constexpr int kPointerBytes = 128;  // of kBlockTiles pointers
};

/// kN: tiles of activations of a warp.
template <class Family, int kN, int kColumnWarps>
__global__ void __launch_bounds__(kRowWarps* kColumnWarps * 32) prefill_product(MatmulParams p, int n_stages) {
  using Shape = PrefillShape<Family, kN, kColumnWarps>;
  auto* shared = shared_memory<unsigned char>();
  auto** tiles = reinterpret_cast<const unsigned char**>(shared);  // where the rows of this block begin; null: none
  unsigned char* stages = shared + Shape::kPointerBytes;
  const int thread = static_cast<int>(threadIdx.x);
  const int lane = lane_id();
  const int row_warp = warp_id() % kRowWarps;
  const int column_warp = warp_id() / kRowWarps;
  const int first_x_tile = static_cast<int>(blockIdx.x) * Shape::kXTiles;
  const int x_tiles = smaller(Shape::kXTiles, p.n_x_tiles - first_x_tile);  // of this block

  // Pair i of all pairs of tiles: two tiles of one matrix, or the same tile of gate and up.
  const auto pair_of = [&](int row_pair, int half, int& tile) {
    int pair = static_cast<int>(blockIdx.y) * kRowWarps + row_pair;
    if (p.gated) {
      tile = pair;
      return half == 0 ? p.targets[0] : p.targets[1];
    }
    const MatmulTarget target = find_target(p, 2, pair);
    tile = 2 * pair + half;
    return target;
  };
  if (thread < kBlockTiles) {
    int tile = 0;
    const MatmulTarget target = pair_of(thread / 2, thread % 2, tile);
    tiles[thread] = tile < target.n_tiles ? target.weights + tile * p.tile_bytes : nullptr;
  }
  block_sync();

  const auto load_weights = [&](int unit, unsigned char* stage) {
    constexpr int kPieces = Family::kUnitBytes / 16;
    for (int i = thread; i < kBlockTiles * kPieces; i += Shape::kThreads) {
      const unsigned char* from = tiles[i / kPieces];
      if (from == nullptr) continue;
      copy_async_16(stage + i * 16, from + std::int64_t{unit} * Family::kUnitBytes + i % kPieces * 16);
    }
  };
  const auto load_x = [&](int unit, unsigned char* stage) {
    unsigned char* x_stage = stage + kBlockTiles * Family::kUnitBytes;
    constexpr int kXPieces = Family::kXUsedBytes / 16;
    for (int i = thread; i < x_tiles * kXPieces; i += Shape::kThreads) {
      const unsigned char* from = p.x + (first_x_tile + i / kXPieces) * p.x_tile_bytes;
      copy_async_16(x_stage + i * 16, from + std::int64_t{unit} * Family::kXUnitBytes + i % kXPieces * 16);
    }
  };
  // One stage is read, the others are on their way; a single one is both in turn.
  const int n_ahead = n_stages - 1;
  for (int i = 0; i < n_ahead && i < p.n_units; ++i)
    load_weights(i, stages + i * Shape::kStageBytes);
  wait_its_turn();
  for (int i = 0; i < n_ahead; ++i) {
    if (i < p.n_units) load_x(i, stages + i * Shape::kStageBytes);
    copy_async_commit();
  }
  const int last_stage = (n_stages - 1) * Shape::kStageBytes;
  int at = 0;  // of the stage that is read; the one before it in the circle is filled next

  const int n_live = smaller(kN, x_tiles - column_warp * kN);  // may be negative
  float acc[2][kN][4] = {};
  float total[2][kN][4] = {};
  int segment = 0;
  int segment_end = segment_begin(p.n_units, 1, p.n_segments);
  for (int unit = 0; unit < p.n_units; ++unit) {
    wait_for_stage<kPrefillStages - 1>(n_ahead);
    block_sync();  // what all threads copied is there, and none reads the unit before any more
    if (const int next = unit + n_ahead; next < p.n_units) {
      unsigned char* stage = stages + (at == 0 ? last_stage : at - Shape::kStageBytes);
      load_weights(next, stage);
      load_x(next, stage);
    }
    copy_async_commit();
    if (n_ahead == 0) {
      copy_async_wait<0>();
      block_sync();
    }
    const unsigned char* w = stages + at + 2 * row_warp * Family::kUnitBytes;
    const unsigned char* x = stages + at + kBlockTiles * Family::kUnitBytes + column_warp * kN * Family::kXUsedBytes;
    Family::template add<2, kN>(w, x, n_live, lane, true, acc);
    if (unit + 1 == segment_end) {
      LLORCH_UNROLL
      for (int m = 0; m < 2; ++m) {
        LLORCH_UNROLL
        for (int n = 0; n < kN; ++n) {
          LLORCH_UNROLL
          for (int i = 0; i < 4; ++i) {
            total[m][n][i] = segment == 0 ? acc[m][n][i] : total[m][n][i] + acc[m][n][i];
            acc[m][n][i] = 0.0f;
          }
        }
      }
      ++segment;
      segment_end = segment_begin(p.n_units, segment + 1, p.n_segments);
    }
    at = at == last_stage ? 0 : at + Shape::kStageBytes;
  }

  int tile[2];
  MatmulTarget target[2];
  LLORCH_UNROLL
  for (int m = 0; m < 2; ++m)
    target[m] = pair_of(row_warp, m, tile[m]);
  LLORCH_UNROLL
  for (int n = 0; n < kN; ++n) {
    LLORCH_UNROLL
    for (int i = 0; i < 4; ++i) {
      const int column = (first_x_tile + column_warp * kN + n) * 8 + lane % 4 * 2 + i % 2;
      if (column >= p.n_rows) continue;
      const int row = lane / 4 + i / 2 * 8;
      float value[2];
      LLORCH_UNROLL
      for (int m = 0; m < 2; ++m)
        value[m] = undo_factor(p, column, total[m][n][i]);
      if (p.gated) {
        const int matrix_row = tile[0] * 16 + row;
        if (matrix_row < target[0].n_rows) store_product(p, target[0], matrix_row, column, silu(value[0]) * value[1]);
      } else {
        LLORCH_UNROLL
        for (int m = 0; m < 2; ++m) {
          const int matrix_row = tile[m] * 16 + row;
          if (matrix_row < target[m].n_rows) store_product(p, target[m], matrix_row, column, value[m]);
        }
      }
    }
  }
}

// ---- starting them --------------------------------------------------------------------------------------------------

/// 1 to `most`: as many as fit.
inline int stages_in(std::uint64_t shared_bytes, int stage_bytes, int most) {
  const int fitting = static_cast<int>(shared_bytes) / stage_bytes;
  return fitting < 1 ? 1 : fitting > most ? most : fitting;
}

template <class Family, int kN, int kColumnWarps>
void launch_prefill(Stream& stream, const char* name, const MatmulParams& p, int n_pairs) {
  using Shape = PrefillShape<Family, kN, kColumnWarps>;
  // Two blocks of 128 threads share a multiprocessor; the registers of more threads leave room for one.
  constexpr bool kOfTwo = Shape::kThreads <= 128;
  const std::uint64_t shared_bytes = kOfTwo ? shared_bytes_of_two(stream) : most_shared_bytes(stream);
  const int n_stages = stages_in(shared_bytes - Shape::kPointerBytes, Shape::kStageBytes, kPrefillStages);
  const Dim grid = {static_cast<unsigned>((p.n_x_tiles + Shape::kXTiles - 1) / Shape::kXTiles),
                    static_cast<unsigned>((n_pairs + kRowWarps - 1) / kRowWarps)};
  launch(stream, name, prefill_product<Family, kN, kColumnWarps>, grid, {Shape::kThreads},
         std::size_t{Shape::kPointerBytes} + static_cast<std::size_t>(n_stages) * Shape::kStageBytes, p, n_stages);
}

template <class Family>
void launch_product(Stream& stream, const char* name, const MatmulParams& p) {
  int n_tiles = 0;
  int n_pairs = 0;
  for (int i = 0; i < p.n_targets; ++i) {
    n_tiles += p.targets[i].n_tiles;
    n_pairs += (p.targets[i].n_tiles + 1) / 2;
  }
  if (p.gated) n_tiles = n_pairs = p.targets[0].n_tiles;
  if (p.n_rows <= kDecodeRows) {
    const auto threads = static_cast<unsigned>(p.n_segments * 32);
    const int stage_bytes = p.n_segments * (Family::kUnitBytes + Family::kXUsedBytes);
    const int n_stages = stages_in(shared_bytes_of_two(stream), stage_bytes, Family::kDecodeStages);
    const Dim grid = {static_cast<unsigned>(n_tiles)};
    launch(stream, name, p.gated ? decode_product<Family, 2> : decode_product<Family, 1>, grid, {threads},
           static_cast<std::size_t>(n_stages) * static_cast<std::size_t>(stage_bytes), p, n_stages);
    return;
  }
  // As many columns as the activations have, the widest tile that fits.
  constexpr int kN = Family::kXTilesOfWarp;
  using Wide = PrefillShape<Family, kN, Family::kColumnWarps>;
  using Middle = PrefillShape<Family, kN, Family::kColumnWarps / 2>;
  const auto fits = [&](int stage_bytes) {
    return Wide::kPointerBytes + stage_bytes <= static_cast<std::int64_t>(most_shared_bytes(stream));
  };
  if (p.n_x_tiles > Middle::kXTiles && fits(Wide::kStageBytes)) {
    launch_prefill<Family, kN, Family::kColumnWarps>(stream, name, p, n_pairs);
  } else if (p.n_x_tiles > 4 && fits(Middle::kStageBytes)) {
    launch_prefill<Family, kN, Family::kColumnWarps / 2>(stream, name, p, n_pairs);
  } else {
    launch_prefill<Family, 4, 1>(stream, name, p, n_pairs);
  }
}

}  // namespace llorch::cuda
