#include <algorithm>

#include "common/base/failure.hpp"
#include "cuda/kernels/attention_params.hpp"
#include "cuda/kernels/kernels.hpp"

namespace llorch::cuda {
namespace {

AttentionParams params_of(const AttentionArgs& a) {
  const std::int64_t n_kv = a.kv.n_heads;
  if (a.kv.head_dim > kMostHeadDim || n_kv == 0 || a.n_heads % n_kv != 0) {
    common::fail(LLORCH_INTERNAL, "attention: expected heads of up to ", kMostHeadDim, " components and a multiple of ",
                 n_kv, " key heads, found ", a.kv.head_dim, " components, ", a.n_heads, " heads");
  }
  AttentionParams p{};
  p.q = a.q;
  p.out = a.out;
  p.kv = a.kv;
  p.layer = a.layer;
  p.rows = a.rows;
  p.blocks = a.blocks;
  p.tiles = a.tiles;
  p.scratch = a.scratch;
  p.scale = a.scale;
  p.n_heads = static_cast<std::int32_t>(a.n_heads);
  p.shared = static_cast<std::int32_t>(a.n_heads / n_kv);
  p.groups = (p.shared + kPairs - 1) / kPairs;
  p.n_chunks = static_cast<std::int32_t>(divide_up(a.most_visible, kAttentionChunk));
  p.n_tiles = static_cast<std::int32_t>(a.n_tiles);
  return p;
}

bool has_floats(const KvView& kv) {
  return kv.k.type == KvType::kF32 || kv.v.type == KvType::kF32;
}

}  // namespace

std::vector<QueryTile> query_tiles(const std::vector<common::QueryRun>& runs, std::int64_t n_heads,
                                   std::int64_t n_heads_kv) {
  const std::int64_t most = query_tile_rows(n_heads, n_heads_kv);
  std::vector<QueryTile> tiles;
  for (const common::QueryRun& run : runs) {
    for (std::int64_t i = 0; i < run.n_rows; i += most) {
      tiles.push_back(
          {static_cast<std::int32_t>(run.first_row + i), static_cast<std::int32_t>(std::min(most, run.n_rows - i))});
    }
  }
  return tiles;
}

std::uint64_t attention_scratch_floats(std::int64_t n_rows, std::int64_t n_heads, std::int64_t head_dim,
                                       std::int64_t most_visible) {
  if (n_rows > kDecodeRows) return 0;
  return static_cast<std::uint64_t>(n_rows * n_heads * divide_up(most_visible, kAttentionChunk) *
                                    chunk_floats(static_cast<int>(head_dim)));
}

void attend(Stream& stream, const AttentionArgs& args) {
  if (args.q.n_rows == 0) return;
  const AttentionParams p = params_of(args);
  if (has_floats(args.kv)) {
    attend_floats(stream, p);
  } else if (args.q.n_rows <= kDecodeRows) {
    attend_few(stream, p);
  } else {
    attend_many(stream, p);
  }
}

void attention_scores(Stream& stream, const AttentionArgs& args, std::int64_t first_row, std::int64_t n_rows,
                      std::int64_t n_columns, float* scores) {
  if (n_rows == 0 || n_columns == 0) return;
  const ScoresParams s{params_of(args), scores, first_row, n_rows, n_columns};
  if (has_floats(args.kv)) {
    score_floats(stream, s);
  } else {
    score_halves(stream, s);
  }
}

}  // namespace llorch::cuda
