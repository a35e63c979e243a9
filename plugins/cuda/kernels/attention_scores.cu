// Scores for taps: what attention computes before the softmax.
#include "cuda/device/launch.hpp"
#include "cuda/kernels/attention_dispatch.hpp"
#include "cuda/kernels/attention_tensor.cuh"

namespace llorch::cuda {
namespace {

/// A warp for each block of 16 cached rows (x), key head and group (y), row (z).
template <KvType kKeys, int kParts>
__global__ void __launch_bounds__(32) score_rows(ScoresParams s) {
  wait_its_turn();
  const AttentionParams& p = s.attention;
  const int block = static_cast<int>(blockIdx.x);
  const int kv_head_index = static_cast<int>(blockIdx.y) / p.groups;
  const int group = static_cast<int>(blockIdx.y) % p.groups;
  const auto row = static_cast<int>(s.first_row + blockIdx.z);
  const VisibleRows seen = p.rows[row];
  const int n_parts = kv_padded(p.kv.head_dim) / kKvParts;
  const Visible visible = {{seen.begin, seen.begin}, {seen.end, seen.end}};
  float scores[4] = {};
  if (block * kKvRows < seen.end && (block + 1) * kKvRows > seen.begin) {
    Queries<kParts> q;
    q.load(p, pair_of_column(p, row, 1, kv_head_index, group, lane_id() / 4));
    score_block<kKeys, false>(block_of(p, true, seen.table, block, kv_head_index), q, n_parts, scores);
  }
  LLORCH_UNROLL
  for (int i = 0; i < 4; ++i) {
    const PairOfColumn pair = pair_of_column(p, row, 1, kv_head_index, group, lane_id() % 4 * 2 + i % 2);
    const int key = block * kKvRows + lane_id() / 4 + i / 2 * 8;
    if (!pair.real || key >= s.n_columns) continue;
    s.scores[(pair.head * s.n_rows + blockIdx.z) * s.n_columns + key] =
        sees(visible, block * kKvRows, i) ? scores[i] : minus_infinity();
  }
}

}  // namespace

void score_halves(Stream& stream, const ScoresParams& s) {
  const AttentionParams& p = s.attention;
  const Dim grid = {static_cast<unsigned>((s.n_columns + kKvRows - 1) / kKvRows),
                    static_cast<unsigned>(p.kv.n_heads * p.groups), static_cast<unsigned>(s.n_rows)};
  with_parts(p, [&]<int kParts>() {
    if (p.kv.k.type == KvType::kQ8_0) {
      launch(stream, "attention_scores", score_rows<KvType::kQ8_0, kParts>, grid, {32}, 0, s);
    } else {
      launch(stream, "attention_scores", score_rows<KvType::kF16, kParts>, grid, {32}, 0, s);
    }
  });
}

}  // namespace llorch::cuda
