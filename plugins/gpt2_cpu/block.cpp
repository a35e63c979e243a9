#include "gpt2_cpu/block.hpp"

namespace llorch::gpt2_cpu {

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

  s.attention.append(compute, s.kv, layer, s.rows.runs, k, v);
  if (outputs_only) {
    cpu::keep_output_rows(s.rows, x, q);
    if (s.rows.n == 0) return;
    x = x.first(s.rows.n);
    q = q.first(s.rows.n);
  }

  const cpu::Rows attention = a.attention.rows(s.rows.n);
  s.attention.attend(compute, s.kv, layer, s.rows.runs, q, attention, s.taps, s.rows.batch_row.data());
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

}  // namespace llorch::gpt2_cpu
