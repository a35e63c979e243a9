#include "common/batch/limits.hpp"

#include <algorithm>

#include "common/base/failure.hpp"
#include "common/base/sizes.hpp"

namespace llorch::common {
namespace {

constexpr std::uint32_t kDefaultBatch = 512;
constexpr std::uint32_t kMostThreads = 1024;
constexpr std::uint32_t kMostSeqs = 1u << 16;

void check_at_most(const char* field, std::uint32_t value, std::uint32_t most) {
  if (value > most) {
    fail(LLORCH_INVALID_ARGUMENT, "llorch_context_params.", field, ": expected at most ", most, ", found ", value);
  }
}

}  // namespace

std::int64_t ContextLimits::longest_sequence(std::int64_t n_positions) const {
  return std::min(n_positions, round_up(max_tokens, kKvBlock));
}

std::int64_t ContextLimits::output_rows() const {
  return std::min(max_output_rows, max_rows);
}

ContextLimits context_limits(std::int64_t n_positions, const llorch_context_params& p, KvType kv_type) {
  if (p.max_tokens == 0) {
    fail(LLORCH_INVALID_ARGUMENT, "llorch_context_params.max_tokens: expected at least 1, found 0");
  }
  check_at_most("max_seqs", p.max_seqs, kMostSeqs);
  check_at_most("n_threads", p.n_threads, kMostThreads);
  ContextLimits limits;
  limits.k_type = kv_type_of("llorch_context_params.kv_dtype_k", p.kv_dtype_k, kv_type);
  limits.v_type = kv_type_of("llorch_context_params.kv_dtype_v", p.kv_dtype_v, kv_type);
  limits.max_tokens = p.max_tokens;
  limits.max_seqs = static_cast<std::int32_t>(std::max(p.max_seqs, 1u));
  limits.max_batch_tokens = p.max_batch_tokens != 0 ? p.max_batch_tokens : std::min(p.max_tokens, kDefaultBatch);
  limits.max_output_rows = p.max_output_rows != 0 ? p.max_output_rows : limits.max_batch_tokens;
  // More rows than this never find room in the cache, whatever batch the caller provides for.
  const std::int64_t possible = round_up(limits.max_tokens, kKvBlock);
  limits.max_rows = std::min({limits.max_batch_tokens, possible, n_positions * limits.max_seqs});
  limits.n_threads = static_cast<int>(std::max(p.n_threads, 1u));
  return limits;
}

std::vector<KvRun> plan_batch(const llorch_batch& batch, const ContextLimits& limits, std::int64_t n_positions,
                              std::int64_t n_vocab, const KvBook& book, LiveRows& rows) {
  const abi::BatchLimits checked = {.max_batch_tokens = static_cast<std::uint32_t>(limits.max_batch_tokens),
                                    .max_output_rows = static_cast<std::uint32_t>(limits.max_output_rows),
                                    .max_seqs = static_cast<std::uint32_t>(limits.max_seqs),
                                    .max_positions = static_cast<std::uint32_t>(n_positions),
                                    .vocab_size = static_cast<std::uint32_t>(n_vocab)};
  abi::check_batch(batch, checked, [&](std::int32_t seq) { return book.last_position(seq); });
  std::vector<KvRun> runs;
  rows.n = batch.n_tokens;
  rows.runs.clear();
  rows.batch_row.clear();
  rows.outputs.clear();
  for (std::uint32_t i = 0; i < batch.n_tokens; ++i) {
    const std::int32_t seq = batch.seq_ids[i];
    if (runs.empty() || runs.back().seq != seq) {
      runs.push_back({.seq = seq, .position = batch.positions[i], .n_rows = 0});
      rows.runs.push_back({.seq = seq, .first_row = i, .n_rows = 0, .n_visible = book.length(seq) + 1});
    }
    ++runs.back().n_rows;
    ++rows.runs.back().n_rows;
    rows.batch_row.push_back(i);
    if ((batch.output_flags[i] & LLORCH_OUTPUT_LOGITS) != 0) rows.outputs.push_back(i);
  }
  return runs;
}

}  // namespace llorch::common
