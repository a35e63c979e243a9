#include "llama2_cpu/context.hpp"

#include <algorithm>

#include "llama/model.hpp"
#include "llama2_cpu/model.hpp"

namespace llorch::llama2_cpu {
namespace {

std::int64_t widest_input(const Config& c) {
  return std::max({c.dim, c.q_dim(), c.ffn_dim});
}

common::KvShape kv_shape(const Config& c, const common::ContextLimits& l) {
  return {c.n_layers, c.n_heads_kv, c.head_dim, c.n_positions, l.k_type, l.v_type};
}

cpu::AttentionHeads heads(const Config& c) {
  return {.n_heads = c.n_heads, .n_heads_kv = c.n_heads_kv, .head_dim = c.head_dim, .window = c.window};
}

}  // namespace

ContextBytes context_bytes(const Config& c, const common::ContextLimits& l) {
  ContextBytes bytes;
  bytes.kv = cpu::KvCache::bytes_for(kv_shape(c, l), l.max_tokens);
  bytes.scratch = cpu::Compute::scratch_bytes(l.n_threads, l.max_rows, widest_input(c)) +
                  cpu::Attention::scratch_bytes(l.n_threads, l.longest_sequence(c.n_positions)) +
                  Activations::bytes_for(c, l.max_rows, l.output_rows());
  return bytes;
}

Context::Context(const Model& model, const common::ContextLimits& limits)
    : model_(model),
      limits_(limits),
      compute_(model.kernels(), limits.n_threads, limits.max_rows, widest_input(model.config())),
      attention_(heads(model.config()), limits.n_threads, limits.longest_sequence(model.config().n_positions)),
      kv_(kv_shape(model.config(), limits), limits.max_tokens, limits.max_seqs, model.fingerprint(), model.kernels()),
      activations_(model.config(), limits.max_rows, limits.output_rows()) {
  rows_.batch_row.reserve(static_cast<std::size_t>(limits.max_rows));
  rows_.outputs.reserve(static_cast<std::size_t>(limits.max_rows));
}

std::pair<std::int32_t, std::int32_t> Context::kv_seq_range(std::int32_t seq) const {
  kv_.check_seq(seq);
  return {kv_.first_position(seq), kv_.last_position(seq)};
}

void Context::kv_seq_shift(std::int32_t seq, std::int32_t p0, std::int32_t p1, std::int32_t delta) {
  const common::Turn turn = model_.rope().turn(delta);
  const common::KeyRotation rotation = turn.view();
  kv_.shift(seq, p0, p1, delta, &rotation);
}

void Context::set_tap(const llorch_tap* tap) {
  taps_.set(tap, llama::kTaps);
}

void Context::memory_usage(const abi::MemoryReport& report) const {
  report.add(LLORCH_MEMORY_KV, kv_.bytes());
  report.add(LLORCH_MEMORY_SCRATCH, compute_.bytes() + attention_.bytes() + activations_.bytes());
}

void Context::embed(const llorch_batch& batch) {
  const Weights& w = model_.weights();
  const cpu::KernelTable& kernels = model_.kernels();
  const cpu::Rows x = activations_.x.rows(rows_.n);
  const cpu::Rows cosines = activations_.cosines.rows(rows_.n);
  const cpu::Rows sines = activations_.sines.rows(rows_.n);
  compute_.each_row(x.n_rows, [&](std::int64_t i) {
    kernels.gather_row(w.token_embd.view(), batch.tokens[i], x.row(i));
    model_.rope().angles(batch.positions[i], cosines.row(i), sines.row(i));
  });
  taps_.show(LLORCH_TAP_EMBED, -1, x, rows_.batch_row.data());
}

llorch_output Context::head() {
  llorch_output out{};
  out.row_stride = static_cast<std::uint64_t>(model_.config().n_vocab);
  if (rows_.n == 0) return out;
  const cpu::Rows final_norm = activations_.final_norm.rows(rows_.n);
  compute_.rms_norm(activations_.x.rows(rows_.n), model_.weights().output_norm.get(), model_.config().norm_eps,
                    final_norm);
  taps_.show(LLORCH_TAP_FINAL_NORM, -1, final_norm, rows_.batch_row.data());
  const cpu::Rows logits = activations_.logits.rows(rows_.n);
  compute_.project(final_norm, model_.weights().head(model_.config()).view(), nullptr, logits);
  taps_.show(LLORCH_TAP_LOGITS, -1, logits, rows_.batch_row.data());
  out.n_rows = static_cast<std::uint32_t>(rows_.n);
  out.logits = logits.data;
  out.row_stride = static_cast<std::uint64_t>(logits.stride);
  return out;
}

llorch_output Context::forward(const llorch_batch& batch) {
  const std::vector<common::KvRun> runs =
      common::plan_batch(batch, limits_, model_.config().n_positions, model_.config().n_vocab, kv_, rows_);
  common::KvBook::Append append(kv_, runs);
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
  cpu::keep_output_rows(rows_, activations_.x.rows(rows_.n), {});
  const llorch_output out = head();
  append.commit();
  return out;
}

}  // namespace llorch::llama2_cpu
