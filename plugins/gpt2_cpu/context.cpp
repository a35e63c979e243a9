#include "gpt2_cpu/context.hpp"

#include <algorithm>

#include "cpu/base/failure.hpp"
#include "gpt2_cpu/model.hpp"

namespace llorch::gpt2_cpu {
namespace {

constexpr std::uint32_t kDefaultBatch = 512;
constexpr std::uint32_t kMostThreads = 1024;
constexpr std::uint32_t kMostSeqs = 1u << 16;

std::int64_t widest_input(const Config& c) {
  return std::max(c.dim, c.ffn_dim);
}

std::int64_t longest_sequence(const Config& c, const ContextLimits& limits) {
  return std::min(c.n_positions, cpu::round_up(limits.max_tokens, cpu::kKvBlock));
}

std::int64_t output_rows(const ContextLimits& limits) {
  return std::min(limits.max_output_rows, limits.max_rows);
}

cpu::KvShape kv_shape(const Config& c) {
  return {c.n_layers, c.n_heads, c.head_dim, c.n_positions};
}

void check_kv_type(const char* field, std::uint32_t dtype) {
  if (dtype != LLORCH_DTYPE_DEFAULT && dtype != LLORCH_DTYPE_F32) {
    abi::fail(LLORCH_UNSUPPORTED, "llorch_context_params.", field, ": expected 0 or F32 (", LLORCH_DTYPE_F32,
              "), found ", dtype);
  }
}

}  // namespace

ContextLimits context_limits(const Config& config, const llorch_context_params& p) {
  const auto at_most = [](const char* field, std::uint32_t value, std::uint32_t most) {
    if (value > most) {
      abi::fail(LLORCH_INVALID_ARGUMENT, "llorch_context_params.", field, ": expected at most ", most, ", found ",
                value);
    }
  };
  if (p.max_tokens == 0) {
    abi::fail(LLORCH_INVALID_ARGUMENT, "llorch_context_params.max_tokens: expected at least 1, found 0");
  }
  at_most("max_seqs", p.max_seqs, kMostSeqs);
  at_most("n_threads", p.n_threads, kMostThreads);
  check_kv_type("kv_dtype_k", p.kv_dtype_k);
  check_kv_type("kv_dtype_v", p.kv_dtype_v);
  ContextLimits limits;
  limits.max_tokens = p.max_tokens;
  limits.max_seqs = static_cast<std::int32_t>(std::max(p.max_seqs, 1u));
  limits.max_batch_tokens = p.max_batch_tokens != 0 ? p.max_batch_tokens : std::min(p.max_tokens, kDefaultBatch);
  limits.max_output_rows = p.max_output_rows != 0 ? p.max_output_rows : limits.max_batch_tokens;
  // More rows than this never find room in the cache, whatever batch the caller provides for.
  const std::int64_t possible = cpu::round_up(limits.max_tokens, cpu::kKvBlock);
  limits.max_rows = std::min({limits.max_batch_tokens, possible, config.n_positions * limits.max_seqs});
  limits.n_threads = static_cast<int>(std::max(p.n_threads, 1u));
  return limits;
}

ContextBytes context_bytes(const Config& c, const ContextLimits& l, const cpu::KernelTable& kernels) {
  ContextBytes bytes;
  bytes.kv = cpu::KvCache::bytes_for(kv_shape(c), l.max_tokens);
  bytes.scratch = cpu::Compute::scratch_bytes(l.n_threads, l.max_rows, widest_input(c)) +
                  cpu::Attention::scratch_bytes(kernels, l.n_threads, longest_sequence(c, l)) +
                  Activations::bytes_for(c, l.max_rows, output_rows(l));
  return bytes;
}

Context::Context(const Model& model, const ContextLimits& limits)
    : model_(model),
      limits_(limits),
      compute_(model.kernels(), limits.n_threads, limits.max_rows, widest_input(model.config())),
      attention_(model.kernels(), limits.n_threads, longest_sequence(model.config(), limits)),
      kv_(kv_shape(model.config()), limits.max_tokens, limits.max_seqs, model.fingerprint()),
      activations_(model.config(), limits.max_rows, output_rows(limits)) {
  rows_.batch_row.reserve(static_cast<std::size_t>(limits.max_rows));
  rows_.outputs.reserve(static_cast<std::size_t>(limits.max_rows));
}

std::pair<std::int32_t, std::int32_t> Context::kv_seq_range(std::int32_t seq) const {
  kv_.check_seq(seq);
  return {kv_.first_position(seq), kv_.last_position(seq)};
}

void Context::set_tap(const llorch_tap* tap) {
  taps_.set(tap, kTaps);
}

void Context::memory_usage(const abi::MemoryReport& report) const {
  report.add(LLORCH_MEMORY_KV, kv_.bytes());
  report.add(LLORCH_MEMORY_SCRATCH, compute_.bytes() + attention_.bytes() + activations_.bytes());
}

std::vector<cpu::KvRun> Context::plan(const llorch_batch& batch) {
  const Config& config = model_.config();
  const abi::BatchLimits limits = {.max_batch_tokens = static_cast<std::uint32_t>(limits_.max_batch_tokens),
                                   .max_output_rows = static_cast<std::uint32_t>(limits_.max_output_rows),
                                   .max_seqs = static_cast<std::uint32_t>(limits_.max_seqs),
                                   .max_positions = static_cast<std::uint32_t>(config.n_positions),
                                   .vocab_size = static_cast<std::uint32_t>(config.n_vocab)};
  abi::check_batch(batch, limits, [this](std::int32_t seq) { return kv_.last_position(seq); });
  std::vector<cpu::KvRun> runs;
  rows_.n = batch.n_tokens;
  rows_.runs.clear();
  rows_.batch_row.clear();
  rows_.outputs.clear();
  for (std::uint32_t i = 0; i < batch.n_tokens; ++i) {
    const std::int32_t seq = batch.seq_ids[i];
    if (runs.empty() || runs.back().seq != seq) {
      runs.push_back({.seq = seq, .position = batch.positions[i], .n_rows = 0});
      rows_.runs.push_back({.seq = seq, .first_row = i, .n_rows = 0, .n_visible = kv_.length(seq) + 1});
    }
    ++runs.back().n_rows;
    ++rows_.runs.back().n_rows;
    rows_.batch_row.push_back(i);
    if ((batch.output_flags[i] & LLORCH_OUTPUT_LOGITS) != 0) rows_.outputs.push_back(i);
  }
  return runs;
}

void Context::embed(const llorch_batch& batch) {
  const Weights& w = model_.weights();
  const cpu::KernelTable& kernels = model_.kernels();
  const cpu::Rows x = activations_.x.rows(rows_.n);
  compute_.each_row(x.n_rows, [&](std::int64_t i) {
    kernels.gather_row(w.token_embd.view(), batch.tokens[i], x.row(i));
    kernels.add(x.row(i), w.position_embd.get() + batch.positions[i] * x.n_cols, x.n_cols);
  });
  taps_.show(LLORCH_TAP_EMBED, -1, x, rows_.batch_row.data());
}

llorch_output Context::head() {
  llorch_output out{};
  out.row_stride = static_cast<std::uint64_t>(model_.config().n_vocab);
  if (rows_.n == 0) return out;
  const cpu::Rows final_norm = activations_.final_norm.rows(rows_.n);
  compute_.layer_norm(activations_.x.rows(rows_.n), model_.weights().output_norm.view(), model_.config().norm_eps,
                      final_norm);
  taps_.show(LLORCH_TAP_FINAL_NORM, -1, final_norm, rows_.batch_row.data());
  const cpu::Rows logits = activations_.logits.rows(rows_.n);
  compute_.project(final_norm, model_.head(), nullptr, logits);
  taps_.show(LLORCH_TAP_LOGITS, -1, logits, rows_.batch_row.data());
  out.n_rows = static_cast<std::uint32_t>(rows_.n);
  out.logits = logits.data;
  out.row_stride = static_cast<std::uint64_t>(logits.stride);
  return out;
}

llorch_output Context::forward(const llorch_batch& batch) {
  const std::vector<cpu::KvRun> runs = plan(batch);
  cpu::KvCache::Append append(kv_, runs);
  BlockState state{model_.config(), compute_, attention_, kv_, taps_, activations_, rows_};

  embed(batch);
  const auto& layers = model_.weights().layers;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (model_.host().is_cancelled(abi::handle_of(this))) {
      abi::fail(LLORCH_CANCELLED, "the host asked to stop before block ", i);
    }
    // A tap sees every row of every block; without one the last block computes what was asked for.
    const bool outputs_only = i + 1 == layers.size() && !taps_.active();
    forward_block(layers[i], static_cast<std::int64_t>(i), outputs_only, state);
  }
  keep_output_rows(state, {});
  const llorch_output out = head();
  append.commit();
  return out;
}

}  // namespace llorch::gpt2_cpu
