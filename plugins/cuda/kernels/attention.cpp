#include <algorithm>

#include "common/base/failure.hpp"
#include "cuda/kernels/attention_params.hpp"
#include "cuda/kernels/kernels.hpp"
#include "cuda/kernels/query_tiles.hpp"

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

void run(Stream& stream, const AttentionArgs& args, const AttentionParams& p) {
  if (has_floats(args.kv)) {
    attend_floats(stream, p);
  } else if (args.q.n_rows <= kDecodeRows) {
    attend_few(stream, p);
  } else {
    attend_many(stream, p);
  }
}

/// The kernel that merges few rows' chunks has whole chunks of columns, each a part of one head.
bool merges_converted(const AttentionArgs& a, const ActivationView& out) {
  return out.kind == ActivationKind::kQ8 && a.q.n_rows <= kDecodeRows && !has_floats(a.kv) &&
         a.kv.head_dim % kChunkColumns == 0;
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
  if (args.q.n_rows != 0) run(stream, args, params_of(args));
}

void attend_converted(Stream& stream, const AttentionArgs& args, const ActivationView& converted) {
  if (args.q.n_rows == 0) return;
  if (converted.n_rows != args.q.n_rows || converted.n_cols != args.n_heads * args.kv.head_dim) {
    common::fail(LLORCH_INTERNAL, "attention of ", args.q.n_rows, " rows, ", args.n_heads * args.kv.head_dim,
                 " columns was given room for ", converted.n_rows, " rows, ", converted.n_cols, " columns");
  }
  AttentionParams p = params_of(args);
  const bool merged = merges_converted(args, converted);
  if (merged) p.converted = static_cast<unsigned char*>(converted.data);
  run(stream, args, p);
  if (!merged) convert(stream, args.out, converted);
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
