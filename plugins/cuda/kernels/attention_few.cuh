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

/// Shared memory of the kernel; with the keys and values of a chunk, where they are staged.
inline std::size_t few_shared_bytes(const KvView& kv, bool staged) {
  return sizeof(FewShared) + static_cast<std::size_t>(staged ? chunk_bytes(kv) : 0);
}
static_assert(sizeof(FewShared) % 16 == 0);

/// kStaged: keys and values are all on their way to shared memory before anything is computed.
template <KvType kKeys, KvType kValues, int kParts, bool kStaged>
__global__ void __launch_bounds__(kFewWarps * 32) attend_chunk(AttentionParams p) {
  wait_its_turn();
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

  // A warp scores one block, so it waits for its own keys alone; values are everyone's.
  const HeadBytes k_bytes = head_bytes(kKeys, p.kv.head_dim);
  const HeadBytes v_bytes = head_bytes(kValues, p.kv.head_dim);
  unsigned char* k_stage = shared_memory<unsigned char>() + sizeof(FewShared);
  unsigned char* v_stage = k_stage + kChunkBlocks * k_bytes.all();
  KvHead keys{};
  KvHead values[kChunkBlocks] = {};
  if (warp < n_blocks) {
    keys = block_of(p, true, seen.table, first_block + warp, kv_head_index);
    if constexpr (kStaged) {
      unsigned char* stage = k_stage + warp * k_bytes.all();
      stage_head(keys, k_bytes, stage, lane, 32);
      keys = staged_head<kKeys>(p, true, stage, k_bytes);
    }
  }
  if constexpr (kStaged) copy_async_commit();
  LLORCH_UNROLL
  for (int block = 0; block < kChunkBlocks; ++block) {
    if (block >= n_blocks) break;
    values[block] = block_of(p, false, seen.table, first_block + block, kv_head_index);
    if constexpr (kStaged) {
      unsigned char* stage = v_stage + block * v_bytes.all();
      stage_head(values[block], v_bytes, stage, static_cast<int>(threadIdx.x), kFewWarps * 32);
      values[block] = staged_head<kValues>(p, false, stage, v_bytes);
    }
  }
  if constexpr (kStaged) copy_async_commit();

  Queries<kParts> q;
  q.load(p, pair_of_column(p, row, 1, kv_head_index, group, lane / 4));
  const Visible visible = {{seen.begin, seen.begin}, {seen.end, seen.end}};
  const int first_key = (first_block + warp) * kKvRows;
  float s[4] = {};
  float largest[2] = {minus_infinity(), minus_infinity()};
  if constexpr (kStaged) {
    copy_async_wait<1>();
    warp_sync();
  }
  if (warp < n_blocks) {
    score_block<kKeys, false>(keys, q, n_parts, s);
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
  if constexpr (kStaged) copy_async_wait<0>();
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
  for (int i = 0; i < (2 * kParts + kFewWarps - 1) / kFewWarps; ++i) {
    const int tile = i * kFewWarps + warp;
    if (tile >= 2 * n_parts) break;
    float o[4] = {};
    LLORCH_UNROLL
    for (int block = 0; block < kChunkBlocks; ++block) {
      std::uint32_t a[4] = {};
      if (block < n_blocks) {
        load_values<kValues>(values[block], tile, a);
        const int n_keys = seen.end - (first_block + block) * kKvRows;
        if (n_keys < kKvRows) clear_values(a, n_keys);
      }
      mma_f16(o, a, b[block]);
    }
    LLORCH_UNROLL
    for (int j = 0; j < 4; ++j) {
      if (outs[j % 2] != nullptr) outs[j % 2][4 + tile * 16 + lane / 4 + j / 2 * 8] = o[j];
    }
  }
}

}  // namespace llorch::cuda
