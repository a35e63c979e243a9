#include "cpu/compute/attention.hpp"

#include <algorithm>
#include <cmath>

namespace llorch::cpu {
namespace {

// Fewer new rows than this are stored faster than threads are woken.
constexpr std::int64_t kRowsWorthSplitting = 8;

}  // namespace

/// Consecutive tokens of one head, or, where a run has one token, consecutive heads that share keys and values.
struct Attention::Tile {
  std::int64_t head = 0;   // the first
  std::int64_t token = 0;  // within the run, the first
  std::int64_t n_rows = 0;
  bool over_heads = false;
};

Attention::Attention(const AttentionHeads& heads, int n_threads, std::int64_t max_rows)
    : heads_(heads),
      scores_stride_(round_up(max_rows, kKvBlock)),
      thread_floats_(scores_stride_ * kAttentionRows),
      scores_(static_cast<std::uint64_t>(thread_floats_) * static_cast<std::uint64_t>(n_threads), "attention scores") {}

std::uint64_t Attention::scratch_bytes(int n_threads, std::int64_t max_rows) {
  const std::uint64_t rows = static_cast<std::uint64_t>(n_threads) * kAttentionRows;
  return FloatBuffer::bytes_for(rows * static_cast<std::uint64_t>(round_up(max_rows, kKvBlock)), "attention scores");
}

void Attention::append(Compute& compute, KvCache& cache, std::int64_t layer, const std::vector<QueryRun>& runs,
                       const Rows& k, const Rows& v) const {
  const auto store = [&](std::int64_t head_begin, std::int64_t head_end, int) {
    for (const QueryRun& run : runs) {
      cache.write(layer, run.seq, run.n_visible - 1, run.n_rows, k.row(run.first_row), v.row(run.first_row), k.stride,
                  head_begin, head_end);
    }
  };
  if (k.n_rows < kRowsWorthSplitting) {
    store(0, heads_.n_heads_kv, 0);
  } else {
    compute.threads().split(heads_.n_heads_kv, 1, store);
  }
}

AttentionArgs Attention::arguments(const KvCache& cache, std::int64_t layer, const QueryRun& run, float* scores,
                                   const Rows& q, const Rows& out, const Tile& tile, int thread) const {
  const std::int64_t columns = run.n_visible + run.n_rows - 1;
  const std::int64_t row = run.first_row + tile.token;
  const std::int64_t column = tile.head * heads_.head_dim;
  const KvHeadView head = cache.head(layer, tile.head / (heads_.n_heads / heads_.n_heads_kv));
  AttentionArgs args = {
      .q = q.row(row) + column,
      .q_stride = tile.over_heads ? heads_.head_dim : q.stride,
      .n_rows = tile.n_rows,
      .begin = {},
      .end = {},
      .blocks = cache.blocks(run.seq),
      .k = head.k,
      .v = head.v,
      .k_type = cache.shape().k_type,
      .v_type = cache.shape().v_type,
      .k_block_stride = head.k_block_stride,
      .v_block_stride = head.v_block_stride,
      .head_dim = heads_.head_dim,
      .scale = 1.0f / std::sqrt(static_cast<float>(heads_.head_dim)),
      .scores = scores_.get() + thread * thread_floats_,
      .scores_stride = scores_stride_,
      .scores_tap = scores == nullptr ? nullptr : scores + (tile.head * run.n_rows + tile.token) * columns,
      .tap_stride = columns,
      .tap_columns = columns,
      .out = out.row(row) + column,
      .out_stride = tile.over_heads ? heads_.head_dim : out.stride,
  };
  for (std::int64_t r = 0; r < tile.n_rows; ++r) {
    args.end[r] = run.n_visible + tile.token + (tile.over_heads ? 0 : r);
    args.begin[r] = cache.window_begin(run.seq, args.end[r] - 1, heads_.window);
  }
  return args;
}

void Attention::attend(Compute& compute, const KvCache& cache, std::int64_t layer, const std::vector<QueryRun>& runs,
                       const Rows& q, const Rows& out) const {
  attend(compute, cache, layer, runs, q, out, nullptr);
}

void Attention::attend(Compute& compute, const KvCache& cache, std::int64_t layer, const std::vector<QueryRun>& runs,
                       const Rows& q, const Rows& out, float* scores) const {
  const int n_threads = compute.threads().size();
  const std::int64_t group = heads_.n_heads / heads_.n_heads_kv;
  compute.threads().run([&](int thread) {
    // Tiles are dealt out in turn: later ones see more positions, so neighbours cost about the same.
    std::int64_t item = 0;
    const auto take = [&](const QueryRun& run, const Tile& tile) {
      if (item++ % n_threads == thread) {
        compute.kernels().attend(arguments(cache, layer, run, scores, q, out, tile, thread));
      }
    };
    for (const QueryRun& run : runs) {
      const bool over_heads = run.n_rows == 1;
      const std::int64_t step = over_heads ? group : 1;
      const std::int64_t rows = over_heads ? group : run.n_rows;
      for (std::int64_t h = 0; h < heads_.n_heads; h += step) {
        for (std::int64_t i = 0; i < rows; i += kAttentionRows) {
          const std::int64_t n = std::min<std::int64_t>(kAttentionRows, rows - i);
          take(run, over_heads ? Tile{h + i, 0, n, true} : Tile{h, i, n, false});
        }
      }
    }
  });
}

void Attention::attend(Compute& compute, const KvCache& cache, std::int64_t layer, const std::vector<QueryRun>& runs,
                       const Rows& q, const Rows& out, const Taps& taps, const std::uint32_t* batch_row) const {
  if (!taps.wants(LLORCH_TAP_SCORES, layer)) {
    attend(compute, cache, layer, runs, q, out);
    return;
  }
  for (const QueryRun& run : runs) {
    const std::int64_t columns = run.n_visible + run.n_rows - 1;
    std::vector<float> scores(static_cast<std::size_t>(heads_.n_heads * run.n_rows * columns));
    attend(compute, cache, layer, {run}, q, out, scores.data());
    taps.show_scores(layer, scores.data(), heads_.n_heads, run.n_rows, columns, batch_row + run.first_row);
  }
}

}  // namespace llorch::cpu
