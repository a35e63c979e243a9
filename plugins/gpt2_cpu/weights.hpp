// The weights of a GPT-2 model: names and shapes stand once, in visit_weights().
#pragma once

#include <string>
#include <vector>

#include "cpu/compute/compute.hpp"
#include "cpu/source/load.hpp"
#include "gpt2_cpu/config.hpp"

namespace llorch::gpt2_cpu {

/// weight and bias of a layer norm: (dim) each.
struct NormWeights {
  cpu::FloatBuffer weight, bias;
  [[nodiscard]] cpu::NormView view() const { return {weight.get(), bias.get()}; }
};

/// weight (out, in) and bias (out) of a projection.
struct Projection {
  cpu::PackedMatrix weight;
  cpu::FloatBuffer bias;
};

struct LayerWeights {
  NormWeights attn_norm;
  Projection attn_qkv;     // (3 * dim, dim): queries, keys, values
  Projection attn_output;  // (dim, dim)
  NormWeights ffn_norm;
  Projection ffn_up;    // (ffn_dim, dim)
  Projection ffn_down;  // (dim, ffn_dim)
};

struct Weights {
  cpu::PackedMatrix token_embd;    // (n_vocab, dim)
  cpu::FloatBuffer position_embd;  // (n_positions, dim)
  std::vector<LayerWeights> layers;
  NormWeights output_norm;
  cpu::PackedMatrix output;  // (n_vocab, dim); empty when tied to token_embd
};

/// Calls visitor.matrix(name, (rows, columns), PackedMatrix&) and visitor.floats(name, dims, FloatBuffer&) for every
/// tensor that the model needs, in file order. w.layers has c.n_layers entries.
template <class Visitor>
void visit_weights(const Config& c, Weights& w, Visitor&& visitor) {
  const auto dim = static_cast<std::uint64_t>(c.dim);
  const auto ffn_dim = static_cast<std::uint64_t>(c.ffn_dim);
  const auto n_vocab = static_cast<std::uint64_t>(c.n_vocab);
  const auto norm = [&](const std::string& name, NormWeights& n) {
    visitor.floats(name + ".weight", {dim}, n.weight);
    visitor.floats(name + ".bias", {dim}, n.bias);
  };
  const auto projection = [&](const std::string& name, std::uint64_t out, std::uint64_t in, Projection& p) {
    visitor.matrix(name + ".weight", {out, in}, p.weight);
    visitor.floats(name + ".bias", {out}, p.bias);
  };
  visitor.matrix("token_embd.weight", {n_vocab, dim}, w.token_embd);
  visitor.floats("position_embd.weight", {static_cast<std::uint64_t>(c.n_positions), dim}, w.position_embd);
  for (std::size_t i = 0; i < w.layers.size(); ++i) {
    const std::string block = "blk." + std::to_string(i) + ".";
    LayerWeights& layer = w.layers[i];
    norm(block + "attn_norm", layer.attn_norm);
    projection(block + "attn_qkv", 3 * dim, dim, layer.attn_qkv);
    projection(block + "attn_output", dim, dim, layer.attn_output);
    norm(block + "ffn_norm", layer.ffn_norm);
    projection(block + "ffn_up", ffn_dim, dim, layer.ffn_up);
    projection(block + "ffn_down", dim, ffn_dim, layer.ffn_down);
  }
  norm("output_norm", w.output_norm);
  if (!c.tied_output) visitor.matrix("output.weight", {n_vocab, dim}, w.output);
}

/// Checks that every tensor is there with a supported type and the right shape; returns the bytes it will take.
std::uint64_t check_weights(const Config& config, const abi::Source& source);

/// Reads and packs all weights. `fingerprint` receives a hash over samples of every tensor.
Weights load_weights(const Config& config, const abi::Source& source, const cpu::KernelTable& kernels, int n_threads,
                     std::uint64_t* fingerprint);

}  // namespace llorch::gpt2_cpu
