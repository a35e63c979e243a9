#include "llama2_cuda/context.hpp"

#include <algorithm>
#include <bit>

#include "cuda/device/switches.hpp"
#include "llama/model.hpp"
#include "llama2_cuda/model.hpp"

namespace llorch::llama2_cuda {
namespace {

common::KvShape kv_shape(const Config& c, const common::ContextLimits& l) {
  return {c.n_layers, c.n_heads_kv, c.head_dim, c.n_positions, l.k_type, l.v_type};
}

/// What the grid of a decode step is made for: few sizes, so that few graphs do.
std::int64_t decode_size(std::int64_t most_visible) {
  const auto least = static_cast<std::uint64_t>(std::max(most_visible, cuda::kAttentionChunk));
  return static_cast<std::int64_t>(std::bit_ceil(least));
}

std::uint64_t logits_bytes(const Config& c, const common::ContextLimits& l) {
  return RowMemory::bytes_for(l.output_rows(), c.n_vocab);
}

}  // namespace

ContextBytes context_bytes(const Config& c, const common::ContextLimits& l) {
  const std::int64_t longest = l.longest_sequence(c.n_positions);
  const std::uint64_t staged = cuda::KvCache::scratch_bytes_for(kv_shape(c, l), l.max_tokens) +
                               Inputs::bytes_for(c, l.max_rows, l.max_seqs, longest);
  ContextBytes bytes;
  bytes.kv = cuda::KvCache::bytes_for(kv_shape(c, l), l.max_tokens);
  bytes.scratch = staged + Activations::bytes_for(c, l.max_rows, l.output_rows(), decode_size(longest));
  bytes.pinned = staged + logits_bytes(c, l);
  return bytes;
}

Context::Context(const Model& model, const common::ContextLimits& limits)
    : model_(model),
      limits_(limits),
      stream_(model.device(), cuda::switched_on(kOverlapSwitch)),
      kv_(stream_, kv_shape(model.config(), limits), limits.max_tokens, limits.max_seqs, model.fingerprint()),
      activations_(model.device(), model.config(), limits.max_rows, limits.output_rows(),
                   decode_size(limits.longest_sequence(model.config().n_positions))),
      inputs_(model.device(), model.config(), limits.max_rows, limits.max_seqs,
              limits.longest_sequence(model.config().n_positions)),
      logits_(model.device(), logits_bytes(model.config(), limits), "logits"),
      use_graphs_(cuda::switched_on(kGraphsSwitch)) {
  rows_.batch_row.reserve(static_cast<std::size_t>(limits.max_rows));
  rows_.outputs.reserve(static_cast<std::size_t>(limits.max_rows));
}

Context::~Context() {
  try {
    settle();  // what a cancelled pass left behind reads and writes the members
  } catch (const abi::Failure&) {
    busy_ = false;  // the device failed: its error was told, and nothing runs any more
  }
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
  report.add(LLORCH_MEMORY_KV, kv_.bytes(), model_.device_index());
  report.add(LLORCH_MEMORY_SCRATCH, kv_.scratch_bytes() + activations_.bytes() + inputs_.bytes(),
             model_.device_index());
  report.add(LLORCH_MEMORY_SCRATCH, kv_.pinned_bytes() + inputs_.pinned_bytes() + logits_.bytes(), LLORCH_HOST_MEMORY);
}

void Context::poll(std::size_t layer) {
  if (!model_.host().is_cancelled(abi::handle_of(this))) return;
  abi::fail(LLORCH_CANCELLED, "the host asked to stop before block ", layer);
}

void Context::settle() {
  if (busy_) stream_.synchronize();
  busy_ = false;
}

void Context::launch(const InputCounts& counts, std::int64_t most_visible) {
  const Weights& w = model_.weights();
  const InputViews in = inputs_.views(counts);
  inputs_.send(stream_, counts);
  BlockState s{.config = model_.config(),
               .stream = stream_,
               .kv = kv_.view(),
               .taps = taps_,
               .a = activations_,
               .rows = rows_,
               .in = in,
               .most_visible = most_visible,
               .x = activations_.x.rows(counts.n_rows),
               .queries = in.all};
  cuda::gather_embeddings(stream_, w.token_embd.view(), in.tokens, s.x);
  taps_.show(stream_, LLORCH_TAP_EMBED, -1, s.x, rows_.batch_row.data());
  const bool all_wanted = rows_.outputs.size() == static_cast<std::size_t>(rows_.n);
  for (std::size_t i = 0; i < w.layers.size(); ++i) {
    if (!in_graph_) poll(i);
    // A tap sees every row of every block; without one the last block computes what was asked for.
    const bool drop = i + 1 == w.layers.size() && !taps_.active() && !all_wanted;
    forward_block(w.layers[i], static_cast<std::int64_t>(i), drop ? Keep::kWanted : Keep::kAll, s);
  }
  head(s);
}

void Context::head(BlockState& s) {
  const auto n = static_cast<std::int64_t>(rows_.outputs.size());
  if (n == 0) return;
  if (s.x.n_rows != n) {  // with a tap, all rows came this far
    cuda::gather_rows(stream_, s.x, s.in.outputs, activations_.wanted_x.rows(n));
    s.x = activations_.wanted_x.rows(n);
  }
  const cuda::RowsView logits = activations_.logits.rows(n);
  const Weights& w = model_.weights();
  normed_project(s, w.output_norm.data(), LLORCH_TAP_FINAL_NORM, -1, rows_.outputs.data(),
                 {{w.head(model_.config()).view(), logits}});
  taps_.show(stream_, LLORCH_TAP_LOGITS, -1, logits, rows_.outputs.data());
  const std::uint64_t pitch = static_cast<std::uint64_t>(logits.stride) * sizeof(float);
  stream_.rows_to_host(logits_.data(), pitch, logits.data, pitch,
                       static_cast<std::uint64_t>(logits.n_cols) * sizeof(float), static_cast<std::uint64_t>(n));
}

void Context::decode_step(const llorch_batch& batch, std::int64_t most_visible) {
  const std::int64_t size = decode_size(most_visible);
  const InputCounts counts = Inputs::decode_counts(rows_.n, size);
  inputs_.fill(counts, batch, rows_, kv_, model_.rope());
  DecodeGraph& decode = graphs_[{rows_.n, size}];
  // The first step of a kind runs as it is: that loads its kernels, which older drivers refuse while a graph is
  // captured, and a size that comes once needs no graph.
  if (!use_graphs_ || !decode.loaded) {
    launch(counts, size);
    decode.loaded = true;
    return;
  }
  for (std::size_t i = 0; i < model_.weights().layers.size(); ++i)
    poll(i);
  cuda::Graph& graph = decode.graph;
  if (graph.empty()) {
    in_graph_ = true;
    try {
      graph = cuda::Graph::capture(stream_, [&] { launch(counts, size); });
    } catch (...) {
      in_graph_ = false;
      throw;
    }
    in_graph_ = false;
  }
  graph.launch(stream_);
}

void Context::prefill(const llorch_batch& batch, std::int64_t most_visible) {
  const InputCounts counts = inputs_.prefill_counts(rows_);
  inputs_.fill(counts, batch, rows_, kv_, model_.rope());
  launch(counts, most_visible);
}

llorch_output Context::forward(const llorch_batch& batch) {
  const Config& config = model_.config();
  const std::vector<common::KvRun> runs =
      common::plan_batch(batch, limits_, config.n_positions, config.n_vocab, kv_, rows_);
  settle();
  common::KvBook::Append append(kv_, runs);
  std::int64_t most_visible = 0;
  for (const common::QueryRun& run : rows_.runs)
    most_visible = std::max(most_visible, run.n_visible + run.n_rows - 1);

  const bool every_row = rows_.outputs.size() == static_cast<std::size_t>(rows_.n);
  busy_ = true;
  if (rows_.n <= cuda::kDecodeRows && every_row && !taps_.active()) {
    decode_step(batch, most_visible);
  } else {
    prefill(batch, most_visible);
  }
  settle();

  llorch_output out{};
  out.n_rows = static_cast<std::uint32_t>(rows_.outputs.size());
  out.row_stride = static_cast<std::uint64_t>(activations_.logits.rows(0).stride);
  if (out.n_rows > 0) out.logits = logits_.as<float>();
  append.commit();
  return out;
}

}  // namespace llorch::llama2_cuda
