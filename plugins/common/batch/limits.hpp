// What a context was made for, and the check of each batch against it.
#pragma once

#include <llorch/plugin_table.hpp>

#include <cstdint>
#include <vector>

#include "common/batch/live_rows.hpp"
#include "common/kv/kv_book.hpp"

namespace llorch::common {

/// llorch_context_params with every default filled in.
struct ContextLimits {
  std::int64_t max_tokens = 0;
  std::int32_t max_seqs = 1;
  std::int64_t max_batch_tokens = 0;  ///< rows that a batch may have
  std::int64_t max_rows = 0;          ///< rows that can find room in the cache: scratch memory is made for these
  std::int64_t max_output_rows = 0;
  int n_threads = 1;
  KvType k_type = KvType::kF32, v_type = KvType::kF32;

  /// Rows that a sequence of a model with n_positions may hold.
  [[nodiscard]] std::int64_t longest_sequence(std::int64_t n_positions) const;
  /// Rows of logits that one forward pass may give.
  [[nodiscard]] std::int64_t output_rows() const;
};

/// INVALID_ARGUMENT: a number out of range. UNSUPPORTED: a KV type that there is not.
/// `kv_type`: of a cache whose type the caller leaves open.
ContextLimits context_limits(std::int64_t n_positions, const llorch_context_params& params, KvType kv_type);

/// Checks the batch, fills `rows` with all of its rows and returns its runs; the book is not touched.
std::vector<KvRun> plan_batch(const llorch_batch& batch, const ContextLimits& limits, std::int64_t n_positions,
                              std::int64_t n_vocab, const KvBook& book, LiveRows& rows);

}  // namespace llorch::common
