// What attention's kernels are given.
#pragma once

#include <cstdint>

#include "cuda/kernels/kernels.hpp"

namespace llorch::cuda {

struct AttentionParams {
  RowsView q, out;
  KvView kv;
  std::int64_t layer;
  const VisibleRows* rows;
  const std::uint32_t* blocks;
  const QueryTile* tiles;
  float* scratch;
  unsigned char* converted;  // int8 codes of the heads, instead of out; null: out
  float scale;
  std::int32_t n_heads;
  std::int32_t shared;  // query heads that share a key head
  std::int32_t groups;  // of up to 8 of them
  std::int32_t n_chunks;
  std::int32_t n_tiles;
};

inline constexpr int kChunkRows = static_cast<int>(kAttentionChunk);
inline constexpr int kChunkBlocks = kChunkRows / kKvRows;
inline constexpr int kPairs = 8;  // (row, head) pairs of a tile: the columns of the matrix instruction

/// For taps: where the scores of rows first_row .. go.
struct ScoresParams {
  AttentionParams attention;
  float* scores;  // (n_heads, n_rows, n_columns)
  std::int64_t first_row, n_rows, n_columns;
};

/// Floats that a chunk leaves for the merge: its maximum, its sum, its weighted values, for one row and head.
LLORCH_HOST_DEVICE constexpr int chunk_floats(int head_dim) {
  return kv_padded(head_dim) + 4;
}

// Keys and values in f16 or q8_0; components of a head: up to kMostHeadDim.
void attend_few(Stream& stream, const AttentionParams& params);
/// The last of attend_few(): what the chunks left in scratch becomes heads.
void merge_few(Stream& stream, const AttentionParams& params);
void attend_many(Stream& stream, const AttentionParams& params);
void score_halves(Stream& stream, const ScoresParams& params);
// f32 in at least one of them.
void attend_floats(Stream& stream, const AttentionParams& params);
void score_floats(Stream& stream, const ScoresParams& params);

}  // namespace llorch::cuda
