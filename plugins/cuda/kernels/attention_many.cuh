// Attention of many rows: a warp for each tile of up to 8 (row, head) pairs walks the chunks that they see. Warps of a
// block have neighbouring tiles of one key head, so that one finds in L1 what another has loaded.
#pragma once

#include "cuda/kernels/attention_tensor.cuh"

namespace llorch::cuda {

inline constexpr int kManyWarps = 8;

struct ManyShared {
  std::uint16_t p[kPairs][kProbabilityStride];
};

template <KvType kKeys, KvType kValues, int kParts>
__global__ void __launch_bounds__(kManyWarps * 32) attend_tile(AttentionParams p) {
  // The last tiles see the most: they start first.
  const int index = p.n_tiles - 1 - (static_cast<int>(blockIdx.x) * kManyWarps + warp_id());
  if (index < 0) return;
  const int kv_head_index = static_cast<int>(blockIdx.y) / p.groups;
  const int group = static_cast<int>(blockIdx.y) % p.groups;
  const int lane = lane_id();
  auto& shared = shared_memory<ManyShared>()[warp_id()];
  const QueryTile tile = p.tiles[index];
  const int n_parts = kv_padded(p.kv.head_dim) / kKvParts;
  const VisibleRows first_row = p.rows[tile.first_row];
  const int end = p.rows[tile.first_row + tile.n_rows - 1].end;  // of all pairs: bounds ascend
  const std::uint32_t table = first_row.table;

  Queries<kParts> q;
  q.load(p, pair_of_column(p, tile.first_row, tile.n_rows, kv_head_index, group, lane / 4));
  PairOfColumn pair[2];
  Visible visible;
  LLORCH_UNROLL
  for (int i = 0; i < 2; ++i) {
    pair[i] = pair_of_column(p, tile.first_row, tile.n_rows, kv_head_index, group, lane % 4 * 2 + i);
    const VisibleRows seen = p.rows[pair[i].row];
    visible.begin[i] = seen.begin;
    visible.end[i] = seen.end;
  }
  float total_m[2] = {minus_infinity(), minus_infinity()};
  float total_l[2] = {};
  float total[2 * kParts][4] = {};

  LLORCH_NO_UNROLL
  for (int chunk = first_row.begin / kChunkRows; chunk <= (end - 1) / kChunkRows; ++chunk) {
    const int first_block = chunk * kChunkBlocks;
    const int n_blocks = smaller(kChunkBlocks, (end + kKvRows - 1) / kKvRows - first_block);
    float s[kChunkBlocks][4];
    float m[2] = {minus_infinity(), minus_infinity()};
    LLORCH_UNROLL
    for (int block = 0; block < kChunkBlocks; ++block) {
      if (block >= n_blocks) break;
      score_block<kKeys>(block_of(p, true, table, first_block + block, kv_head_index), q, n_parts, s[block]);
      LLORCH_UNROLL
      for (int i = 0; i < 4; ++i) {
        if (sees(visible, (first_block + block) * kKvRows, i)) m[i % 2] = max_(m[i % 2], s[block][i]);
      }
    }
    LLORCH_UNROLL
    for (float& largest : m)
      largest = max_of_column(largest);
    float l[2] = {};
    LLORCH_UNROLL
    for (int block = 0; block < kChunkBlocks; ++block) {
      LLORCH_UNROLL
      for (int i = 0; i < 4; ++i) {
        const bool real = block < n_blocks && sees(visible, (first_block + block) * kKvRows, i);
        const std::uint16_t one = probability(real, real ? s[block][i] : 0.0f, m[i % 2]);
        shared.p[lane % 4 * 2 + i % 2][block * kKvRows + lane / 4 + i / 2 * 8] = one;
        l[i % 2] = l[i % 2] + half_to_float(one);
      }
    }
    warp_sync();
    std::uint32_t b[kChunkBlocks][2];
    LLORCH_UNROLL
    for (int block = 0; block < kChunkBlocks; ++block) {
      const auto* words = reinterpret_cast<const std::uint32_t*>(&shared.p[lane / 4][block * kKvRows + lane % 4 * 4]);
      b[block][0] = words[0];
      b[block][1] = words[1];
    }
    warp_sync();  // before the next chunk overwrites them

    float o[2 * kParts][4] = {};
    LLORCH_UNROLL
    for (int block = 0; block < kChunkBlocks; ++block) {
      if (block >= n_blocks) break;
      const KvHead head = block_of(p, false, table, first_block + block, kv_head_index);
      const int n_keys = end - (first_block + block) * kKvRows;
      LLORCH_UNROLL
      for (int i = 0; i < 2 * kParts; ++i) {
        if (i >= 2 * n_parts) break;
        std::uint32_t values[4];
        load_values<kValues>(head, i, values);
        if (n_keys < kKvRows) clear_values(values, n_keys);
        mma_f16(o[i], values, b[block]);
      }
    }
    Merge factors[2] = {};
    bool nothing[2];  // to see for this pair
    LLORCH_UNROLL
    for (int i = 0; i < 2; ++i) {
      l[i] = sum_of_column(l[i]);
      nothing[i] = m[i] == minus_infinity();
      if (nothing[i]) continue;
      if (total_m[i] == minus_infinity()) {
        factors[i] = {0.0f, 1.0f};
        total_m[i] = m[i];
        total_l[i] = l[i];
      } else {
        factors[i] = merge_chunk(m[i], l[i], total_m[i], total_l[i]);
      }
    }
    LLORCH_UNROLL
    for (int i = 0; i < 2 * kParts; ++i) {
      LLORCH_UNROLL
      for (int j = 0; j < 4; ++j) {
        if (!nothing[j % 2]) total[i][j] = merge_value(factors[j % 2], total[i][j], o[i][j]);
      }
    }
  }

  LLORCH_UNROLL
  for (int j = 0; j < 2; ++j) {
    if (!pair[j].real) continue;
    const float inverse = div_(1.0f, total_l[j]);
    float* out = p.out.data + pair[j].row * p.out.stride + std::int64_t{pair[j].head} * p.kv.head_dim;
    LLORCH_UNROLL
    for (int i = 0; i < 2 * kParts; ++i) {
      LLORCH_UNROLL
      for (int half = 0; half < 2; ++half) {
        const int d = i * 16 + lane / 4 + half * 8;
        if (d < p.kv.head_dim) out[d] = total[i][half * 2 + j] * inverse;
      }
    }
  }
}

}  // namespace llorch::cuda
