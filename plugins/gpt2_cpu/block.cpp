#include "gpt2_cpu/block.hpp"

#include <algorithm>

namespace llorch::gpt2_cpu {
namespace {

/// Taps the scores of each sequence, one after the other.
void attend_tapped(std::int64_t layer, const cpu::Rows& q, const cpu::Rows& out, BlockState& s) {
  const std::int64_t n_heads = s.config.n_heads;
  for (const cpu::QueryRun& run : s.rows.runs) {
    const std::int64_t columns = run.n_visible + run.n_rows - 1;
    std::vector<float> scores(static_cast<std::size_t>(n_heads * run.n_rows * columns));
    cpu::QueryRun observed = run;
    observed.scores = scores.data();
    s.attention.attend(s.compute, s.kv, layer, {observed}, q, n_heads, out);
    s.taps.show_scores(layer, scores.data(), n_heads, run.n_rows, columns, s.rows.batch_row.data() + run.first_row);
  }
}

void attend(std::int64_t layer, const cpu::Rows& q, const cpu::Rows& out, BlockState& s) {
  if (s.taps.wants(LLORCH_TAP_SCORES, layer)) {
    attend_tapped(layer, q, out, s);
  } else {
    s.attention.attend(s.compute, s.kv, layer, s.rows.runs, q, s.config.n_heads, out);
  }
}

}  // namespace

Activations::Activations(const Config& c, std::int64_t max_rows, std::int64_t max_output_rows)
    : x(max_rows, c.dim, "residual stream"),
      attn_norm(max_rows, c.dim, "attention norm"),
      qkv(max_rows, 3 * c.dim, "queries, keys and values"),
      attention(max_rows, c.dim, "attention heads"),
      attn_out(max_rows, c.dim, "attention output"),
      ffn_norm(max_rows, c.dim, "feed-forward norm"),
      ffn_hidden(max_rows, c.ffn_dim, "feed-forward hidden layer"),
      ffn_out(max_rows, c.dim, "feed-forward output"),
      final_norm(max_output_rows, c.dim, "final norm"),
      logits(max_output_rows, c.n_vocab, "logits") {}

std::uint64_t Activations::bytes_for(const Config& c, std::int64_t max_rows, std::int64_t max_output_rows) {
  const auto bytes = cpu::RowBuffer::bytes_for;
  return 6 * bytes(max_rows, c.dim) + bytes(max_rows, 3 * c.dim) + bytes(max_rows, c.ffn_dim) +
         bytes(max_output_rows, c.dim) + bytes(max_output_rows, c.n_vocab);
}

std::uint64_t Activations::bytes() const {
  return x.bytes() + attn_norm.bytes() + qkv.bytes() + attention.bytes() + attn_out.bytes() + ffn_norm.bytes() +
         ffn_hidden.bytes() + ffn_out.bytes() + final_norm.bytes() + logits.bytes();
}

void forward_block(const LayerWeights& w, std::int64_t layer, bool outputs_only, BlockState& s) {
  const std::int64_t dim = s.config.dim;
  const float eps = s.config.norm_eps;
  cpu::Compute& compute = s.compute;
  const Activations& a = s.activations;
  const auto tap = [&](std::uint32_t id, const cpu::Rows& rows) {
    s.taps.show(id, layer, rows, s.rows.batch_row.data());
  };

  cpu::Rows x = a.x.rows(s.rows.n);
  const cpu::Rows attn_norm = a.attn_norm.rows(s.rows.n);
  compute.layer_norm(x, w.attn_norm.view(), eps, attn_norm);
  tap(LLORCH_TAP_ATTN_NORM, attn_norm);

  const cpu::Rows qkv = a.qkv.rows(s.rows.n);
  compute.project(attn_norm, w.attn_qkv.weight.view(), w.attn_qkv.bias.get(), qkv);
  cpu::Rows q = qkv.columns(0, dim);
  const cpu::Rows k = qkv.columns(dim, dim);
  const cpu::Rows v = qkv.columns(2 * dim, dim);
  tap(LLORCH_TAP_Q, q);
  tap(LLORCH_TAP_K, k);
  tap(LLORCH_TAP_V, v);

  s.attention.append(compute, s.kv, layer, s.rows.runs, k, v, s.config.n_heads);
  if (outputs_only) {
    keep_output_rows(s, q);
    if (s.rows.n == 0) return;
    x = x.first(s.rows.n);
    q = q.first(s.rows.n);
  }

  const cpu::Rows attention = a.attention.rows(s.rows.n);
  attend(layer, q, attention, s);  // taps the scores
  const cpu::Rows attn_out = a.attn_out.rows(s.rows.n);
  compute.project(attention, w.attn_output.weight.view(), w.attn_output.bias.get(), attn_out);
  tap(LLORCH_TAP_ATTN_OUT, attn_out);
  compute.add(x, attn_out);

  const cpu::Rows ffn_norm = a.ffn_norm.rows(s.rows.n);
  compute.layer_norm(x, w.ffn_norm.view(), eps, ffn_norm);
  tap(LLORCH_TAP_FFN_NORM, ffn_norm);

  const auto& kernels = compute.kernels();
  const auto gelu = s.config.activation == Activation::kGeluTanh ? kernels.gelu_tanh : kernels.gelu_erf;
  const cpu::Rows hidden = a.ffn_hidden.rows(s.rows.n);
  compute.project(ffn_norm, w.ffn_up.weight.view(), w.ffn_up.bias.get(), hidden, gelu);
  const cpu::Rows ffn_out = a.ffn_out.rows(s.rows.n);
  compute.project(hidden, w.ffn_down.weight.view(), w.ffn_down.bias.get(), ffn_out);
  tap(LLORCH_TAP_FFN_OUT, ffn_out);
  compute.add(x, ffn_out);
  tap(LLORCH_TAP_BLOCK_OUT, x);
}

void keep_output_rows(BlockState& s, const cpu::Rows& queries) {
  LiveRows& rows = s.rows;
  const cpu::Rows x = s.activations.x.rows(rows.n);
  std::vector<cpu::QueryRun> kept;
  std::int64_t n = 0;
  for (const cpu::QueryRun& run : rows.runs) {
    for (std::int64_t i = 0; i < run.n_rows; ++i) {
      const std::int64_t row = run.first_row + i;
      const std::uint32_t batch_row = rows.batch_row[static_cast<std::size_t>(row)];
      if (!std::binary_search(rows.outputs.begin(), rows.outputs.end(), batch_row)) continue;
      const std::int64_t n_visible = run.n_visible + i;
      const bool joins =
          !kept.empty() && kept.back().seq == run.seq && kept.back().n_visible + kept.back().n_rows == n_visible;
      if (joins) {
        ++kept.back().n_rows;
      } else {
        kept.push_back({.seq = run.seq, .first_row = n, .n_rows = 1, .n_visible = n_visible});
      }
      if (row != n) {
        std::copy_n(x.row(row), x.n_cols, x.row(n));
        if (queries.data != nullptr) std::copy_n(queries.row(row), queries.n_cols, queries.row(n));
      }
      rows.batch_row[static_cast<std::size_t>(n)] = batch_row;
      ++n;
    }
  }
  rows.n = n;
  rows.runs = std::move(kept);
}

}  // namespace llorch::gpt2_cpu
