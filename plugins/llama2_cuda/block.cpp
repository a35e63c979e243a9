#include "llama2_cuda/block.hpp"

#include <algorithm>
#include <cmath>

#include "common/base/sizes.hpp"

namespace llorch::llama2_cuda {
namespace {

using cuda::ActivationKind;
using cuda::Product;
using cuda::RowsView;
using cuda::Store;

constexpr std::int64_t kStrideFloats = 4;  // kernels read 16 bytes at a time

constexpr ActivationKind kKinds[] = {ActivationKind::kF32, ActivationKind::kF16, ActivationKind::kBf16,
                                     ActivationKind::kQ8};

std::uint64_t converted_bytes(const Config& c, std::int64_t max_rows) {
  std::uint64_t most = 0;
  for (const ActivationKind kind : kKinds) {
    for (const std::int64_t columns : {c.dim, c.q_dim(), c.ffn_dim})
      most = std::max(most, cuda::activation_bytes(kind, max_rows, columns));
  }
  return most;
}

std::uint64_t scratch_bytes(const Config& c, std::int64_t max_rows, std::int64_t longest) {
  return cuda::attention_scratch_floats(std::min(max_rows, cuda::kDecodeRows), c.n_heads, c.head_dim, longest) *
         sizeof(float);
}

bool same_kind(std::initializer_list<Product> products) {
  return std::all_of(products.begin(), products.end(), [&](const Product& p) {
    return cuda::activation_kind(p.weights.type) == cuda::activation_kind(products.begin()->weights.type);
  });
}

/// Where x goes in the form that products with `weights` take.
cuda::ActivationView converted(const BlockState& s, const cuda::MatrixView& weights, const RowsView& x) {
  return s.a.converted_rows(cuda::activation_kind(weights.type), x.n_rows, x.n_cols);
}

/// norm(x) * weight as the product takes it; as floats only where a tap wants to see them.
cuda::ActivationView normed(BlockState& s, const float* weight, std::uint32_t tap, std::int64_t layer,
                            const std::uint32_t* batch_row, const cuda::MatrixView& weights) {
  const cuda::ActivationView out = converted(s, weights, s.x);
  RowsView floats = s.a.norm.rows(s.x.n_rows);
  const bool seen = s.taps.wants(tap, layer);
  if (!seen) floats.data = nullptr;
  cuda::rms_norm(s.stream, s.x, weight, s.config.norm_eps, floats, &out);
  if (seen) s.taps.show(s.stream, tap, layer, floats, batch_row, LLORCH_TAP_UNFUSED);
  return out;
}

/// Products of x where their matrices may want it in different forms.
void project(BlockState& s, const RowsView& x, std::initializer_list<Product> products) {
  if (same_kind(products)) {
    const cuda::ActivationView in = converted(s, products.begin()->weights, x);
    cuda::convert(s.stream, x, in);
    cuda::matmul(s.stream, in, products, Store::kReplace);
    return;
  }
  for (const Product& product : products)
    project(s, x, {product});
}

/// x += products of `in`; the tap sees what is added.
void add_branch(BlockState& s, const cuda::ActivationView& in, const cuda::MatrixView& weights, std::uint32_t tap,
                std::int64_t layer) {
  if (!s.taps.wants(tap, layer)) {
    cuda::matmul(s.stream, in, {{weights, s.x}}, Store::kAdd);
    return;
  }
  const RowsView branch = s.a.branch.rows(s.x.n_rows);
  cuda::matmul(s.stream, in, {{weights, branch}}, Store::kReplace);
  s.taps.show(s.stream, tap, layer, branch, s.rows.batch_row.data(), LLORCH_TAP_UNFUSED);
  cuda::add_rows(s.stream, s.x, branch);
}

cuda::AttentionArgs attention_args(const BlockState& s, std::int64_t layer, const RowsView& q, const RowsView& out) {
  cuda::AttentionArgs args;
  args.q = q;
  args.out = out;
  args.kv = s.kv;
  args.layer = layer;
  args.n_heads = s.config.n_heads;
  args.scale = 1.0f / std::sqrt(static_cast<float>(s.config.head_dim));
  args.rows = s.queries.visible;
  args.blocks = s.in.blocks;
  args.most_visible = s.most_visible;
  args.tiles = s.queries.tiles;
  args.n_tiles = s.queries.n_tiles;
  args.scratch = s.a.scratch.as<float>();
  return args;
}

void show_scores(BlockState& s, std::int64_t layer, const cuda::AttentionArgs& args) {
  if (!s.taps.wants(LLORCH_TAP_SCORES, layer)) return;
  for (const common::QueryRun& run : s.rows.runs) {
    s.taps.show_scores(s.stream, args, run.first_row, run.n_rows, run.n_visible + run.n_rows - 1,
                       s.rows.batch_row.data() + run.first_row);
  }
}

}  // namespace

RowMemory::RowMemory(int device, std::int64_t max_rows, std::int64_t n_cols, const char* what)
    : n_cols_(n_cols),
      stride_(common::round_up(n_cols, kStrideFloats)),
      memory_(device, bytes_for(max_rows, n_cols), what) {}

std::uint64_t RowMemory::bytes_for(std::int64_t max_rows, std::int64_t n_cols) {
  const auto stride = static_cast<std::uint64_t>(common::round_up(n_cols, kStrideFloats));
  return common::checked_product(common::checked_product(static_cast<std::uint64_t>(max_rows), stride, "activations"),
                                 sizeof(float), "activations");
}

Activations::Activations(int device, const Config& c, std::int64_t n_rows, std::int64_t max_output_rows,
                         std::int64_t longest)
    : max_rows(n_rows),
      x(device, n_rows, c.dim, "residual stream"),
      norm(device, n_rows, c.dim, "norm"),
      q(device, n_rows, c.q_dim(), "queries"),
      k(device, n_rows, c.kv_dim(), "keys"),
      v(device, n_rows, c.kv_dim(), "values"),
      attention(device, n_rows, c.q_dim(), "attention heads"),
      branch(device, n_rows, c.dim, "output of a branch"),
      gate(device, n_rows, c.ffn_dim, "feed-forward gate"),
      up(device, n_rows, c.ffn_dim, "feed-forward hidden layer"),
      wanted_x(device, max_output_rows, c.dim, "residual stream of the rows with logits"),
      wanted_q(device, max_output_rows, c.q_dim(), "queries of the rows with logits"),
      logits(device, max_output_rows, c.n_vocab, "logits"),
      converted(device, converted_bytes(c, n_rows), "converted activations"),
      scratch(device, scratch_bytes(c, n_rows, longest), "parts of attention") {}

std::uint64_t Activations::bytes_for(const Config& c, std::int64_t max_rows, std::int64_t max_output_rows,
                                     std::int64_t longest) {
  const auto bytes = RowMemory::bytes_for;
  return 3 * bytes(max_rows, c.dim) + 2 * bytes(max_rows, c.q_dim()) + 2 * bytes(max_rows, c.kv_dim()) +
         2 * bytes(max_rows, c.ffn_dim) + bytes(max_output_rows, c.dim) + bytes(max_output_rows, c.q_dim()) +
         bytes(max_output_rows, c.n_vocab) + converted_bytes(c, max_rows) + scratch_bytes(c, max_rows, longest);
}

std::uint64_t Activations::bytes() const {
  return x.bytes() + norm.bytes() + q.bytes() + k.bytes() + v.bytes() + attention.bytes() + branch.bytes() +
         gate.bytes() + up.bytes() + wanted_x.bytes() + wanted_q.bytes() + logits.bytes() + converted.bytes() +
         scratch.bytes();
}

cuda::ActivationView Activations::converted_rows(ActivationKind kind, std::int64_t n_rows, std::int64_t n_cols) const {
  return {kind, converted.data(), n_rows, n_cols, max_rows};
}

void normed_project(BlockState& s, const float* weight, std::uint32_t tap, std::int64_t layer,
                    const std::uint32_t* batch_row, std::initializer_list<Product> products) {
  if (same_kind(products)) {
    cuda::matmul(s.stream, normed(s, weight, tap, layer, batch_row, products.begin()->weights), products,
                 Store::kReplace);
    return;
  }
  const RowsView floats = s.a.norm.rows(s.x.n_rows);
  cuda::rms_norm(s.stream, s.x, weight, s.config.norm_eps, floats, nullptr);
  s.taps.show(s.stream, tap, layer, floats, batch_row, LLORCH_TAP_UNFUSED);
  project(s, floats, products);
}

void forward_block(const LayerWeights& w, std::int64_t layer, Keep keep, BlockState& s) {
  const Activations& a = s.a;
  const auto tap = [&](std::uint32_t id, const RowsView& rows) {
    s.taps.show(s.stream, id, layer, rows, s.rows.batch_row.data());
  };

  RowsView q = a.q.rows(s.x.n_rows);
  const RowsView k = a.k.rows(s.x.n_rows);
  const RowsView v = a.v.rows(s.x.n_rows);
  normed_project(s, w.attn_norm.data(), LLORCH_TAP_ATTN_NORM, layer, s.rows.batch_row.data(),
                 {{w.attn_q.view(), q}, {w.attn_k.view(), k}, {w.attn_v.view(), v}});
  tap(LLORCH_TAP_Q, q);
  tap(LLORCH_TAP_K, k);
  tap(LLORCH_TAP_V, v);

  const cuda::NewRows rows = {q, k, v, s.in.cosines, s.in.sines, s.config.rope.rotated, s.in.places};
  cuda::rotate_and_store(s.stream, rows, s.kv, layer);
  tap(LLORCH_TAP_Q_ROTATED, q);
  tap(LLORCH_TAP_K_ROTATED, k);

  if (keep == Keep::kWanted) {
    const std::int64_t n = static_cast<std::int64_t>(s.rows.outputs.size());
    if (n == 0) return;
    cuda::gather_rows(s.stream, s.x, s.in.outputs, a.wanted_x.rows(n));
    cuda::gather_rows(s.stream, q, s.in.outputs, a.wanted_q.rows(n));
    s.x = a.wanted_x.rows(n);
    q = a.wanted_q.rows(n);
    s.queries = s.in.wanted;
  }

  const RowsView attention = a.attention.rows(s.x.n_rows);
  const cuda::AttentionArgs args = attention_args(s, layer, q, attention);
  show_scores(s, layer, args);
  const cuda::ActivationView heads = converted(s, w.attn_output.view(), attention);
  cuda::attend_converted(s.stream, args, heads);
  add_branch(s, heads, w.attn_output.view(), LLORCH_TAP_ATTN_OUT, layer);

  const RowsView gate = a.gate.rows(s.x.n_rows);
  if (cuda::can_gate(w.ffn_gate.view(), w.ffn_up.view())) {
    const cuda::ActivationView in =
        normed(s, w.ffn_norm.data(), LLORCH_TAP_FFN_NORM, layer, s.rows.batch_row.data(), w.ffn_gate.view());
    cuda::matmul_gated(s.stream, in, w.ffn_gate.view(), w.ffn_up.view(), gate);
  } else {
    const RowsView up = a.up.rows(s.x.n_rows);
    normed_project(s, w.ffn_norm.data(), LLORCH_TAP_FFN_NORM, layer, s.rows.batch_row.data(),
                   {{w.ffn_gate.view(), gate}, {w.ffn_up.view(), up}});
    cuda::silu_gate(s.stream, gate, up);
  }
  const cuda::ActivationView hidden = converted(s, w.ffn_down.view(), gate);
  cuda::convert(s.stream, gate, hidden);
  add_branch(s, hidden, w.ffn_down.view(), LLORCH_TAP_FFN_OUT, layer);
  tap(LLORCH_TAP_BLOCK_OUT, s.x);
}

}  // namespace llorch::llama2_cuda
