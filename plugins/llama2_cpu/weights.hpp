// The weights of a Llama model: names and shapes stand once, in visit_weights().
#pragma once

#include <string>
#include <vector>

#include "cpu/compute/compute.hpp"
#include "cpu/source/load.hpp"
#include "llama2_cpu/config.hpp"

namespace llorch::llama2_cpu {

struct LayerWeights {
  cpu::FloatBuffer attn_norm;     // (dim)
  cpu::PackedMatrix attn_q;       // (n_heads * head_dim, dim)
  cpu::PackedMatrix attn_k;       // (n_heads_kv * head_dim, dim)
  cpu::PackedMatrix attn_v;       // (n_heads_kv * head_dim, dim)
  cpu::PackedMatrix attn_output;  // (dim, n_heads * head_dim)
  cpu::FloatBuffer ffn_norm;      // (dim)
  cpu::PackedMatrix ffn_gate;     // (ffn_dim, dim)
  cpu::PackedMatrix ffn_up;       // (ffn_dim, dim)
  cpu::PackedMatrix ffn_down;     // (dim, ffn_dim)
};

struct Weights {
  cpu::PackedMatrix token_embd;  // (n_vocab, dim)
  cpu::FloatBuffer rope_freqs;   // (rotated / 2), what frequencies are divided by; empty where the file has none
  std::vector<LayerWeights> layers;
  cpu::FloatBuffer output_norm;  // (dim)
  cpu::PackedMatrix output;      // (n_vocab, dim); empty when tied to token_embd
};

/// Calls visitor.matrix(name, (rows, columns), PackedMatrix&) and visitor.floats(name, dims, FloatBuffer&) for every
/// tensor that the model needs, in file order. w.layers has c.n_layers entries.
template <class Visitor>
void visit_weights(const Config& c, Weights& w, Visitor&& visitor) {
  const auto dim = static_cast<std::uint64_t>(c.dim);
  const auto q_dim = static_cast<std::uint64_t>(c.q_dim());
  const auto kv_dim = static_cast<std::uint64_t>(c.kv_dim());
  const auto ffn_dim = static_cast<std::uint64_t>(c.ffn_dim);
  const auto n_vocab = static_cast<std::uint64_t>(c.n_vocab);
  visitor.matrix("token_embd.weight", {n_vocab, dim}, w.token_embd);
  if (c.has_rope_freqs) {
    visitor.floats("rope_freqs.weight", {static_cast<std::uint64_t>(c.rope.rotated / 2)}, w.rope_freqs);
  }
  for (std::size_t i = 0; i < w.layers.size(); ++i) {
    const std::string block = "blk." + std::to_string(i) + ".";
    LayerWeights& layer = w.layers[i];
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

/// Checks that every tensor is there with a supported type and the right shape; returns the bytes it will take.
std::uint64_t check_weights(const Config& config, const abi::Source& source);

/// Reads and packs all weights. `fingerprint` receives a hash over samples of every tensor.
Weights load_weights(const Config& config, const abi::Source& source, const cpu::KernelTable& kernels, int n_threads,
                     std::uint64_t* fingerprint);

}  // namespace llorch::llama2_cpu
