// Causal attention of a batch over the KV cache, spread over heads, sequences and tiles of rows.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/compute/compute.hpp"
#include "cpu/kv_cache/kv_cache.hpp"

namespace llorch::cpu {

/// Consecutive rows of one sequence whose queries are to be answered.
struct QueryRun {
  std::int32_t seq = 0;
  std::int64_t first_row = 0;  ///< in the batch's activations
  std::int64_t n_rows = 0;
  std::int64_t n_visible = 0;  ///< rows of the cache that the first query sees, its own included; later ones see one
                               ///< more each
  float* scores = nullptr;  ///< null, or where to leave (n_heads, n_rows, n_visible + n_rows - 1) scaled, masked scores
};

class Attention {
 public:
  /// Scratch for sequences of up to max_rows cached rows.
  Attention(const KernelTable& kernels, int n_threads, std::int64_t max_rows);
  static std::uint64_t scratch_bytes(const KernelTable& kernels, int n_threads, std::int64_t max_rows);
  [[nodiscard]] std::uint64_t bytes() const { return scores_.bytes(); }

  /// Stores the new keys and values of each run: k, v (n_tokens, n_heads * head_dim), whose last rows the run sees.
  void append(Compute& compute, KvCache& cache, std::int64_t layer, const std::vector<QueryRun>& runs, const Rows& k,
              const Rows& v, std::int64_t n_heads) const;

  /// out (n_tokens, n_heads * head_dim) = softmax(q k^T / sqrt(head_dim)) v, head by head.
  void attend(Compute& compute, const KvCache& cache, std::int64_t layer, const std::vector<QueryRun>& runs,
              const Rows& q, std::int64_t n_heads, const Rows& out) const;

 private:
  std::int64_t scores_stride_;  // floats of one row of scores
  std::int64_t thread_floats_;
  FloatBuffer scores_;  // (n_threads, attention_rows, scores_stride)
};

}  // namespace llorch::cpu
