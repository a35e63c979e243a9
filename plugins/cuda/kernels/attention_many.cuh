// Attention of many rows: a warp for each tile of up to 8 (row, head) pairs walks the chunks that they see. The eight
// warps of a block have neighbouring tiles of one key head; where these belong to one sequence, its chunks pass through
// shared memory once for all of them.
#pragma once

#include "cuda/kernels/attention_tensor.cuh"

namespace llorch::cuda {

inline constexpr int kManyWarps = 8;

struct ManyShared {
  std::uint16_t p[kPairs][kProbabilityStride];
};
static_assert(sizeof(ManyShared) % 16 == 0);

/// Shared memory of the kernel with room for n_stages chunks of keys and values.
inline std::size_t many_shared_bytes(const KvView& kv, int n_stages) {
  return kManyWarps * sizeof(ManyShared) +
         static_cast<std::size_t>(n_stages) * static_cast<std::size_t>(chunk_bytes(kv));
}

/// One warp's queries and what they have gathered so far.
template <int kParts>
struct TileState {
  Queries<kParts> q;
  Visible visible;
  int end;  // of all pairs
  float m[2], l[2];
  float total[2 * kParts][4];
};

/// Adds a chunk. keys(block), values(block): where block 0..3 of the chunk lies, for those below the tile's end. kFull:
/// the chunk ends before the tile does and heads have kParts parts, so that nothing has to be asked in between.
template <KvType kKeys, KvType kValues, bool kFull, int kParts, class Keys, class Values>
__device__ __forceinline__ void add_chunk(const AttentionParams& p, int chunk, const Keys& keys, const Values& values,
                                          ManyShared& shared, TileState<kParts>& state) {
  const int lane = lane_id();
  const int n_parts = kv_padded(p.kv.head_dim) / kKvParts;
  const int first_block = chunk * kChunkBlocks;
  const int n_blocks = smaller(kChunkBlocks, (state.end + kKvRows - 1) / kKvRows - first_block);
  float s[kChunkBlocks][4];
  float m[2] = {minus_infinity(), minus_infinity()};
  LLORCH_UNROLL
  for (int block = 0; block < kChunkBlocks; ++block) {
    if (!kFull && block >= n_blocks) break;
    score_block<kKeys, kFull>(keys(block), state.q, n_parts, s[block]);
    LLORCH_UNROLL
    for (int i = 0; i < 4; ++i) {
      if (sees(state.visible, (first_block + block) * kKvRows, i)) m[i % 2] = max_(m[i % 2], s[block][i]);
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
      const bool real = (kFull || block < n_blocks) && sees(state.visible, (first_block + block) * kKvRows, i);
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
    if (!kFull && block >= n_blocks) break;
    const KvHead head = values(block);
    const int n_keys = state.end - (first_block + block) * kKvRows;
    LLORCH_UNROLL
    for (int i = 0; i < 2 * kParts; ++i) {
      if (!kFull && i >= 2 * n_parts) break;
      std::uint32_t a[4];
      load_values<kValues>(head, i, a);
      if (!kFull && n_keys < kKvRows) clear_values(a, n_keys);
      mma_f16(o[i], a, b[block]);
    }
  }
  Merge factors[2] = {};
  bool nothing[2];  // to see for this pair
  LLORCH_UNROLL
  for (int i = 0; i < 2; ++i) {
    l[i] = sum_of_column(l[i]);
    nothing[i] = m[i] == minus_infinity();
    if (nothing[i]) continue;
    if (state.m[i] == minus_infinity()) {
      factors[i] = {0.0f, 1.0f};
      state.m[i] = m[i];
      state.l[i] = l[i];
    } else {
      factors[i] = merge_chunk(m[i], l[i], state.m[i], state.l[i]);
    }
  }
  LLORCH_UNROLL
  for (int i = 0; i < 2 * kParts; ++i) {
    LLORCH_UNROLL
    for (int j = 0; j < 4; ++j) {
      if (!nothing[j % 2]) state.total[i][j] = merge_value(factors[j % 2], state.total[i][j], o[i][j]);
    }
  }
}

/// n_stages: chunks on their way to shared memory at once; 0: none, where a device has too little for one.
template <KvType kKeys, KvType kValues, int kParts>
__global__ void __launch_bounds__(kManyWarps * 32) attend_tile(AttentionParams p, int n_stages) {
  wait_its_turn();
  auto* memory = shared_memory<unsigned char>();
  auto& shared = reinterpret_cast<ManyShared*>(memory)[warp_id()];
  // The last tiles see the most: they start first.
  const int block_index = p.n_tiles - 1 - static_cast<int>(blockIdx.x) * kManyWarps;
  const int kv_head_index = static_cast<int>(blockIdx.y) / p.groups;
  const int group = static_cast<int>(blockIdx.y) % p.groups;
  const int lane = lane_id();

  // What the tiles of this block see together.
  const std::uint32_t block_table = p.rows[p.tiles[block_index].first_row].table;
  bool one_sequence = true;
  int lowest = 0x7fffffff;
  int highest = 0;
  for (int i = block_index; i >= 0 && i > block_index - kManyWarps; --i) {
    const QueryTile tile = p.tiles[i];
    const VisibleRows first = p.rows[tile.first_row];
    one_sequence = one_sequence && first.table == block_table;
    lowest = smaller(lowest, first.begin);
    highest = larger(highest, p.rows[tile.first_row + tile.n_rows - 1].end);
  }

  const int index = block_index - warp_id();
  const bool real = index >= 0;
  const QueryTile tile = p.tiles[real ? index : block_index];
  const VisibleRows first_row = p.rows[tile.first_row];
  TileState<kParts> state;
  state.q.load(p, pair_of_column(p, tile.first_row, tile.n_rows, kv_head_index, group, lane / 4));
  state.end = p.rows[tile.first_row + tile.n_rows - 1].end;  // bounds ascend
  PairOfColumn pair[2];
  LLORCH_UNROLL
  for (int i = 0; i < 2; ++i) {
    pair[i] = pair_of_column(p, tile.first_row, tile.n_rows, kv_head_index, group, lane % 4 * 2 + i);
    const VisibleRows seen = p.rows[pair[i].row];
    state.visible.begin[i] = seen.begin;
    state.visible.end[i] = seen.end;
    state.m[i] = minus_infinity();
    state.l[i] = 0.0f;
  }
  LLORCH_UNROLL
  for (int i = 0; i < 2 * kParts; ++i) {
    LLORCH_UNROLL
    for (float& one : state.total[i])
      one = 0.0f;
  }
  // Of this warp; none where it has no tile.
  const int first_chunk = real ? first_row.begin / kChunkRows : 1;
  const int last_chunk = real ? (state.end - 1) / kChunkRows : 0;

  const bool staged = n_stages > 0 && one_sequence;
  const HeadBytes k_bytes = head_bytes(kKeys, p.kv.head_dim);
  const HeadBytes v_bytes = head_bytes(kValues, p.kv.head_dim);
  const int stage_bytes = kChunkBlocks * (k_bytes.all() + v_bytes.all());
  const int begin = lowest / kChunkRows;
  const int n_chunks = (highest - 1) / kChunkRows + 1 - begin;
  // Where head data of a block of chunk i goes.
  const auto k_stage = [&](int i, int block) {
    return memory + kManyWarps * sizeof(ManyShared) + i % n_stages * stage_bytes + block * k_bytes.all();
  };
  const auto v_stage = [&](int i, int block) { return k_stage(i, kChunkBlocks) + block * v_bytes.all(); };
  const auto load = [&](int i) {
    const int first_block = (begin + i) * kChunkBlocks;
    const int n_blocks = smaller(kChunkBlocks, (highest + kKvRows - 1) / kKvRows - first_block);
    for (int block = 0; block < n_blocks; ++block) {
      const auto thread = static_cast<int>(threadIdx.x);
      stage_head(block_of(p, true, block_table, first_block + block, kv_head_index), k_bytes, k_stage(i, block), thread,
                 kManyWarps * 32);
      stage_head(block_of(p, false, block_table, first_block + block, kv_head_index), v_bytes, v_stage(i, block),
                 thread, kManyWarps * 32);
    }
  };
  for (int i = 0; staged && i < n_stages; ++i) {
    if (i < n_chunks) load(i);
    copy_async_commit();
  }
  LLORCH_NO_UNROLL
  for (int i = 0; i < n_chunks; ++i) {
    const int chunk = begin + i;
    if (staged) {
      wait_for_stage<2>(n_stages);
      block_sync();
    }
    if (chunk >= first_chunk && chunk <= last_chunk) {
      bool done = false;
      // The ways that are taken most are compiled once more, without questions.
      if constexpr (kKeys == kValues && kParts <= 4) {
        if (staged && state.end >= (chunk + 1) * kChunkRows && kv_padded(p.kv.head_dim) == kParts * kKvParts) {
          const auto keys = [&](int block) { return staged_head<kKeys>(p, true, k_stage(i, block), k_bytes); };
          const auto values = [&](int block) { return staged_head<kValues>(p, false, v_stage(i, block), v_bytes); };
          add_chunk<kKeys, kValues, true>(p, chunk, keys, values, shared, state);
          done = true;
        }
      }
      if (!done) {
        const auto keys = [&](int block) {
          return staged ? staged_head<kKeys>(p, true, k_stage(i, block), k_bytes)
                        : block_of(p, true, first_row.table, chunk * kChunkBlocks + block, kv_head_index);
        };
        const auto values = [&](int block) {
          return staged ? staged_head<kValues>(p, false, v_stage(i, block), v_bytes)
                        : block_of(p, false, first_row.table, chunk * kChunkBlocks + block, kv_head_index);
        };
        add_chunk<kKeys, kValues, false>(p, chunk, keys, values, shared, state);
      }
    }
    if (staged) {
      block_sync();
      if (i + n_stages < n_chunks) load(i + n_stages);
      copy_async_commit();
    }
  }

  LLORCH_UNROLL
  for (int j = 0; j < 2; ++j) {
    if (!real || !pair[j].real) continue;
    const float inverse = div_(1.0f, state.l[j]);
    float* out = p.out.data + pair[j].row * p.out.stride + std::int64_t{pair[j].head} * p.kv.head_dim;
    LLORCH_UNROLL
    for (int i = 0; i < 2 * kParts; ++i) {
      LLORCH_UNROLL
      for (int half = 0; half < 2; ++half) {
        const int d = i * 16 + lane / 4 + half * 8;
        if (d < p.kv.head_dim) out[d] = state.total[i][half * 2 + j] * inverse;
      }
    }
  }
}

}  // namespace llorch::cuda
