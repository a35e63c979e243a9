#include "llama2_cpu/block.hpp"

#include "cpu/compute/rope.hpp"

namespace llorch::llama2_cpu {

Activations::Activations(const Config& c, std::int64_t max_rows, std::int64_t max_output_rows)
    : x(max_rows, c.dim, "residual stream"),
      cosines(max_rows, c.rope.rotated, "cosines of positions"),
      sines(max_rows, c.rope.rotated, "sines of positions"),
      attn_norm(max_rows, c.dim, "attention norm"),
      q(max_rows, c.q_dim(), "queries"),
      k(max_rows, c.kv_dim(), "keys"),
      v(max_rows, c.kv_dim(), "values"),
      attention(max_rows, c.q_dim(), "attention heads"),
      attn_out(max_rows, c.dim, "attention output"),
      ffn_norm(max_rows, c.dim, "feed-forward norm"),
      ffn_gate(max_rows, c.ffn_dim, "feed-forward gate"),
      ffn_up(max_rows, c.ffn_dim, "feed-forward hidden layer"),
      ffn_out(max_rows, c.dim, "feed-forward output"),
      final_norm(max_output_rows, c.dim, "final norm"),
      logits(max_output_rows, c.n_vocab, "logits") {}

std::uint64_t Activations::bytes_for(const Config& c, std::int64_t max_rows, std::int64_t max_output_rows) {
  const auto bytes = cpu::RowBuffer::bytes_for;
  return 5 * bytes(max_rows, c.dim) + 2 * bytes(max_rows, c.rope.rotated) + 2 * bytes(max_rows, c.q_dim()) +
         2 * bytes(max_rows, c.kv_dim()) + 2 * bytes(max_rows, c.ffn_dim) + bytes(max_output_rows, c.dim) +
         bytes(max_output_rows, c.n_vocab);
}

std::uint64_t Activations::bytes() const {
  return x.bytes() + cosines.bytes() + sines.bytes() + attn_norm.bytes() + q.bytes() + k.bytes() + v.bytes() +
         attention.bytes() + attn_out.bytes() + ffn_norm.bytes() + ffn_gate.bytes() + ffn_up.bytes() + ffn_out.bytes() +
         final_norm.bytes() + logits.bytes();
}

void forward_block(const LayerWeights& w, std::int64_t layer, bool outputs_only, BlockState& s) {
  const Config& c = s.config;
  cpu::Compute& compute = s.compute;
  const Activations& a = s.activations;
  const auto tap = [&](std::uint32_t id, const cpu::Rows& rows) {
    s.taps.show(id, layer, rows, s.rows.batch_row.data());
  };

  cpu::Rows x = a.x.rows(s.rows.n);
  const cpu::Rows attn_norm = a.attn_norm.rows(s.rows.n);
  compute.rms_norm(x, w.attn_norm.get(), c.norm_eps, attn_norm);
  tap(LLORCH_TAP_ATTN_NORM, attn_norm);

  cpu::Rows q = a.q.rows(s.rows.n);
  const cpu::Rows k = a.k.rows(s.rows.n);
  const cpu::Rows v = a.v.rows(s.rows.n);
  compute.project(attn_norm,
                  {{w.attn_q.view(), nullptr, q}, {w.attn_k.view(), nullptr, k}, {w.attn_v.view(), nullptr, v}});
  tap(LLORCH_TAP_Q, q);
  tap(LLORCH_TAP_K, k);
  tap(LLORCH_TAP_V, v);

  rotate_heads(compute, q, c.head_dim, a.cosines.rows(s.rows.n), a.sines.rows(s.rows.n));
  rotate_heads(compute, k, c.head_dim, a.cosines.rows(s.rows.n), a.sines.rows(s.rows.n));
  tap(LLORCH_TAP_Q_ROTATED, q);
  tap(LLORCH_TAP_K_ROTATED, k);

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
  compute.project(attention, w.attn_output.view(), nullptr, attn_out);
  tap(LLORCH_TAP_ATTN_OUT, attn_out);
  compute.add(x, attn_out);

  const cpu::Rows ffn_norm = a.ffn_norm.rows(s.rows.n);
  compute.rms_norm(x, w.ffn_norm.get(), c.norm_eps, ffn_norm);
  tap(LLORCH_TAP_FFN_NORM, ffn_norm);

  const cpu::Rows gate = a.ffn_gate.rows(s.rows.n);
  const cpu::Rows up = a.ffn_up.rows(s.rows.n);
  compute.project(ffn_norm, {{w.ffn_gate.view(), nullptr, gate}, {w.ffn_up.view(), nullptr, up}});
  compute.silu_gate(gate, up);
  const cpu::Rows ffn_out = a.ffn_out.rows(s.rows.n);
  compute.project(gate, w.ffn_down.view(), nullptr, ffn_out);
  tap(LLORCH_TAP_FFN_OUT, ffn_out);
  compute.add(x, ffn_out);
  tap(LLORCH_TAP_BLOCK_OUT, x);
}

}  // namespace llorch::llama2_cpu
