#include "cpu/compute/attention.hpp"

#include <algorithm>
#include <cmath>

namespace llorch::cpu {
namespace {

// Fewer new rows than this are stored faster than threads are woken.
constexpr std::int64_t kRowsWorthSplitting = 8;

}  // namespace

Attention::Attention(const KernelTable& kernels, int n_threads, std::int64_t max_rows)
    : scores_stride_(round_up(max_rows, kKvBlock)),
      thread_floats_(scores_stride_ * kernels.attention_rows),
      scores_(static_cast<std::uint64_t>(thread_floats_) * static_cast<std::uint64_t>(n_threads), "attention scores") {}

std::uint64_t Attention::scratch_bytes(const KernelTable& kernels, int n_threads, std::int64_t max_rows) {
  const auto rows = static_cast<std::uint64_t>(n_threads * kernels.attention_rows);
  return FloatBuffer::bytes_for(rows * static_cast<std::uint64_t>(round_up(max_rows, kKvBlock)), "attention scores");
}

void Attention::append(Compute& compute, KvCache& cache, std::int64_t layer, const std::vector<QueryRun>& runs,
                       const Rows& k, const Rows& v, std::int64_t n_heads) const {
  const auto store = [&](std::int64_t head_begin, std::int64_t head_end, int) {
    for (const QueryRun& run : runs) {
      cache.write(layer, run.seq, run.n_visible - 1, run.n_rows, k.row(run.first_row), v.row(run.first_row), k.stride,
                  head_begin, head_end);
    }
  };
  if (k.n_rows < kRowsWorthSplitting) {
    store(0, n_heads, 0);
  } else {
    compute.threads().split(n_heads, 1, store);
  }
}

void Attention::attend(Compute& compute, const KvCache& cache, std::int64_t layer, const std::vector<QueryRun>& runs,
                       const Rows& q, std::int64_t n_heads, const Rows& out) const {
  const KernelTable& kernels = compute.kernels();
  const std::int64_t head_dim = q.n_cols / n_heads;
  const float scale = 1.0f / std::sqrt(static_cast<float>(head_dim));
  const int n_threads = compute.threads().size();
  compute.threads().run([&](int thread) {
    // Tiles are dealt out in turn: later ones see more positions, so neighbours cost about the same.
    std::int64_t item = 0;
    for (const QueryRun& run : runs) {
      const std::int64_t columns = run.n_visible + run.n_rows - 1;
      for (std::int64_t h = 0; h < n_heads; ++h) {
        const KvHeadView head = cache.head(layer, h);
        for (std::int64_t i = 0; i < run.n_rows; i += kernels.attention_rows, ++item) {
          if (item % n_threads != thread) continue;
          const std::int64_t row = run.first_row + i;
          const AttentionArgs args = {
              .q = q.row(row) + h * head_dim,
              .q_stride = q.stride,
              .n_rows = std::min(kernels.attention_rows, run.n_rows - i),
              .n_visible = run.n_visible + i,
              .blocks = cache.blocks(run.seq),
              .k = head.k,
              .v = head.v,
              .k_block_stride = head.k_block_stride,
              .v_block_stride = head.v_block_stride,
              .head_dim = head_dim,
              .scale = scale,
              .scores = scores_.get() + thread * thread_floats_,
              .scores_stride = scores_stride_,
              .scores_tap = run.scores == nullptr ? nullptr : run.scores + (h * run.n_rows + i) * columns,
              .tap_stride = columns,
              .tap_columns = columns,
              .out = out.row(row) + h * head_dim,
              .out_stride = out.stride,
          };
          kernels.attend(args);
        }
      }
    }
  });
}

}  // namespace llorch::cpu
