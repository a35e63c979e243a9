// The weights of a Llama model: names and shapes stand once, in visit_weights(). What a matrix and a vector are is the
// plugin's choice.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "llama/config.hpp"

namespace llorch::llama {

template <class Matrix, class Vector>
struct LayerWeights {
  Vector attn_norm;    // (dim)
  Matrix attn_q;       // (n_heads * head_dim, dim)
  Matrix attn_k;       // (n_heads_kv * head_dim, dim)
  Matrix attn_v;       // (n_heads_kv * head_dim, dim)
  Matrix attn_output;  // (dim, n_heads * head_dim)
  Vector ffn_norm;     // (dim)
  Matrix ffn_gate;     // (ffn_dim, dim)
  Matrix ffn_up;       // (ffn_dim, dim)
  Matrix ffn_down;     // (dim, ffn_dim)
};

template <class Matrix, class Vector>
struct Weights {
  Matrix token_embd;  // (n_vocab, dim)
  Vector rope_freqs;  // (rotated / 2), what frequencies are divided by; empty where the file has none
  std::vector<LayerWeights<Matrix, Vector>> layers;
  Vector output_norm;  // (dim)
  Matrix output;       // (n_vocab, dim); empty when tied to token_embd

  /// The matrix that turns the last hidden state into logits.
  [[nodiscard]] const Matrix& head(const Config& c) const { return c.tied_output ? token_embd : output; }
};

/// Calls visitor.matrix(name, (rows, columns), Matrix&) and visitor.floats(name, dims, Vector&) for every tensor that
/// the model needs, in file order. w.layers becomes c.n_layers entries.
template <class Matrix, class Vector, class Visitor>
void visit_weights(const Config& c, Weights<Matrix, Vector>& w, Visitor&& visitor) {
  const auto dim = static_cast<std::uint64_t>(c.dim);
  const auto q_dim = static_cast<std::uint64_t>(c.q_dim());
  const auto kv_dim = static_cast<std::uint64_t>(c.kv_dim());
  const auto ffn_dim = static_cast<std::uint64_t>(c.ffn_dim);
  const auto n_vocab = static_cast<std::uint64_t>(c.n_vocab);
  w.layers.resize(static_cast<std::size_t>(c.n_layers));
  visitor.matrix("token_embd.weight", {n_vocab, dim}, w.token_embd);
  if (c.has_rope_freqs) {
    visitor.floats("rope_freqs.weight", {static_cast<std::uint64_t>(c.rope.rotated / 2)}, w.rope_freqs);
  }
  for (std::size_t i = 0; i < w.layers.size(); ++i) {
    const std::string block = "blk." + std::to_string(i) + ".";
    LayerWeights<Matrix, Vector>& layer = w.layers[i];
    visitor.floats(block + "attn_norm.weight", {dim}, layer.attn_norm);
    visitor.matrix(block + "attn_q.weight", {q_dim, dim}, layer.attn_q);
    visitor.matrix(block + "attn_k.weight", {kv_dim, dim}, layer.attn_k);
    visitor.matrix(block + "attn_v.weight", {kv_dim, dim}, layer.attn_v);
    visitor.matrix(block + "attn_output.weight", {dim, q_dim}, layer.attn_output);
    visitor.floats(block + "ffn_norm.weight", {dim}, layer.ffn_norm);
    visitor.matrix(block + "ffn_gate.weight", {ffn_dim, dim}, layer.ffn_gate);
    visitor.matrix(block + "ffn_up.weight", {ffn_dim, dim}, layer.ffn_up);
    visitor.matrix(block + "ffn_down.weight", {dim, ffn_dim}, layer.ffn_down);
  }
  visitor.floats("output_norm.weight", {dim}, w.output_norm);
  if (!c.tied_output) visitor.matrix("output.weight", {n_vocab, dim}, w.output);
}

}  // namespace llorch::llama
