// Attention of up to 8 rows: four warps for each chunk, key head and row, then one merge of the chunks.
#pragma once

#include "cuda/device/launch.hpp"
#include "cuda/kernels/attention_tensor.cuh"

namespace llorch::cuda {

inline constexpr int kFewWarps = kChunkBlocks;

struct FewShared {
  float largest[kFewWarps][kPairs];
  std::uint16_t p[kPairs][kProbabilityStride];
};

template <KvType kKeys, KvType kValues, int kParts>
__global__ void __launch_bounds__(kFewWarps * 32) attend_chunk(AttentionParams p) {
  const int chunk = static_cast<int>(blockIdx.x);
  const int kv_head_index = static_cast<int>(blockIdx.y) / p.groups;
  const int group = static_cast<int>(blockIdx.y) % p.groups;
  const int row = static_cast<int>(blockIdx.z);
  const VisibleRows seen = p.rows[row];
  if (chunk < seen.begin / kChunkRows || chunk > (seen.end - 1) / kChunkRows) return;
  auto& shared = *shared_memory<FewShared>();
  const int warp = warp_id();
  const int lane = lane_id();
  const int n_parts = kv_padded(p.kv.head_dim) / kKvParts;
  const int first_block = chunk * kChunkBlocks;
  const int n_blocks = smaller(kChunkBlocks, (seen.end + kKvRows - 1) / kKvRows - first_block);  // with rows to see

  // Values are on their way before the scores are known.
  constexpr int kTiles = (2 * kParts + kFewWarps - 1) / kFewWarps;  // of 16 components, of this warp
  std::uint32_t values[kTiles][kChunkBlocks][4] = {};
  LLORCH_UNROLL
  for (int block = 0; block < kChunkBlocks; ++block) {
    if (block >= n_blocks) break;
    const KvHead head = block_of(p, false, seen.table, first_block + block, kv_head_index);
    const int n_keys = seen.end - (first_block + block) * kKvRows;
    LLORCH_UNROLL
    for (int i = 0; i < kTiles; ++i) {
      if (i * kFewWarps + warp >= 2 * n_parts) break;
      load_values<kValues>(head, i * kFewWarps + warp, values[i][block]);
      if (n_keys < kKvRows) clear_values(values[i][block], n_keys);
    }
  }

  Queries<kParts> q;
  q.load(p, pair_of_column(p, row, 1, kv_head_index, group, lane / 4));
  const Visible visible = {{seen.begin, seen.begin}, {seen.end, seen.end}};
  const int first_key = (first_block + warp) * kKvRows;
  float s[4] = {};
  float largest[2] = {minus_infinity(), minus_infinity()};
  if (warp < n_blocks) {
    score_block<kKeys>(block_of(p, true, seen.table, first_block + warp, kv_head_index), q, n_parts, s);
    LLORCH_UNROLL
    for (int i = 0; i < 4; ++i) {
      if (sees(visible, first_key, i)) largest[i % 2] = max_(largest[i % 2], s[i]);
    }
  }
  LLORCH_UNROLL
  for (int i = 0; i < 2; ++i) {
    largest[i] = max_of_column(largest[i]);
    if (lane < 4) shared.largest[warp][lane * 2 + i] = largest[i];
  }
  block_sync();
  LLORCH_UNROLL
  for (int i = 0; i < 2; ++i) {
    LLORCH_UNROLL
    for (int w = 0; w < kFewWarps; ++w)
      largest[i] = max_(largest[i], shared.largest[w][lane % 4 * 2 + i]);
  }
  LLORCH_UNROLL
  for (int i = 0; i < 4; ++i) {
    const bool real = warp < n_blocks && sees(visible, first_key, i);
    shared.p[lane % 4 * 2 + i % 2][warp * kKvRows + lane / 4 + i / 2 * 8] = probability(real, s[i], largest[i % 2]);
  }
  block_sync();

  const auto out_of = [&](int column) {
    const PairOfColumn pair = pair_of_column(p, row, 1, kv_head_index, group, column);
    float* out = p.scratch +
                 ((std::int64_t{pair.row} * p.n_heads + pair.head) * p.n_chunks + chunk) * chunk_floats(p.kv.head_dim);
    return pair.real ? out : nullptr;
  };
  if (warp == 0) {
    LLORCH_UNROLL
    for (int i = 0; i < 2; ++i) {
      const int column = lane % 4 * 2 + i;
      float sum = 0.0f;
      LLORCH_UNROLL
      for (int key = 0; key < kChunkRows; key += 8)
        sum = sum + half_to_float(shared.p[column][key + lane / 4]);
      sum = sum_of_column(sum);
      float* out = out_of(column);
      if (lane < 4 && out != nullptr) {
        out[0] = largest[i];
        out[1] = sum;
      }
    }
  }
  std::uint32_t b[kChunkBlocks][2];
  LLORCH_UNROLL
  for (int block = 0; block < kChunkBlocks; ++block) {
    const auto* words = reinterpret_cast<const std::uint32_t*>(&shared.p[lane / 4][block * kKvRows + lane % 4 * 4]);
    b[block][0] = words[0];
    b[block][1] = words[1];
  }
  float* outs[2] = {out_of(lane % 4 * 2), out_of(lane % 4 * 2 + 1)};
  LLORCH_UNROLL
  for (int i = 0; i < kTiles; ++i) {
    const int tile = i * kFewWarps + warp;
    if (tile >= 2 * n_parts) break;
    float o[4] = {};
    LLORCH_UNROLL
    for (int block = 0; block < kChunkBlocks; ++block)
      mma_f16(o, values[i][block], b[block]);
    LLORCH_UNROLL
    for (int j = 0; j < 4; ++j) {
      if (outs[j % 2] != nullptr) outs[j % 2][4 + tile * 16 + lane / 4 + j / 2 * 8] = o[j];
    }
  }
}

}  // namespace llorch::cuda
