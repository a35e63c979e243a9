// Causal attention of a batch over the KV cache, spread over heads, sequences and tiles of rows.
#pragma once

#include <cstdint>
#include <vector>

#include "common/batch/live_rows.hpp"
#include "cpu/compute/compute.hpp"
#include "cpu/compute/taps.hpp"
#include "cpu/kv_cache/kv_cache.hpp"

namespace llorch::cpu {

using common::QueryRun;

/// Which heads look at what.
struct AttentionHeads {
  std::int64_t n_heads = 0;
  std::int64_t n_heads_kv = 0;  ///< a divisor of n_heads; neighbouring query heads share keys and values
  std::int64_t head_dim = 0;
  std::int64_t window = 0;  ///< positions that a row sees, its own included; 0: all up to its own
};

class Attention {
 public:
  /// Scratch for sequences of up to max_rows cached rows.
  Attention(const AttentionHeads& heads, int n_threads, std::int64_t max_rows);
  static std::uint64_t scratch_bytes(int n_threads, std::int64_t max_rows);
  [[nodiscard]] std::uint64_t bytes() const { return scores_.bytes(); }

  /// Stores the new keys and values of each run: k, v (n_tokens, n_heads_kv * head_dim).
  void append(Compute& compute, KvCache& cache, std::int64_t layer, const std::vector<QueryRun>& runs, const Rows& k,
              const Rows& v) const;

  /// out (n_tokens, n_heads * head_dim) = softmax(q k^T / sqrt(head_dim)) v, head by head.
  void attend(Compute& compute, const KvCache& cache, std::int64_t layer, const std::vector<QueryRun>& runs,
              const Rows& q, const Rows& out) const;
  /// The same; shows the scores of each run where they are wanted. batch_row: of each row, as in Taps::show().
  void attend(Compute& compute, const KvCache& cache, std::int64_t layer, const std::vector<QueryRun>& runs,
              const Rows& q, const Rows& out, const Taps& taps, const std::uint32_t* batch_row) const;

 private:
  struct Tile;
  /// `scores`: null, or, where there is one run, where to leave (n_heads, n_rows, n_visible + n_rows - 1) scaled,
  /// masked scores.
  void attend(Compute& compute, const KvCache& cache, std::int64_t layer, const std::vector<QueryRun>& runs,
              const Rows& q, const Rows& out, float* scores) const;
  [[nodiscard]] AttentionArgs arguments(const KvCache& cache, std::int64_t layer, const QueryRun& run, float* scores,
                                        const Rows& q, const Rows& out, const Tile& tile, int thread) const;

  AttentionHeads heads_;
  std::int64_t scores_stride_;  // floats of one row of scores
  std::int64_t thread_floats_;
  FloatBuffer scores_;  // (n_threads, attention_rows, scores_stride)
};

}  // namespace llorch::cpu
