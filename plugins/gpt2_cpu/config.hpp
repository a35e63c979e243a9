// The hyperparameters of a GPT-2 model.
#pragma once

#include <llorch/plugin.hpp>

#include <cstdint>

namespace llorch::gpt2_cpu {

enum class Activation : std::uint8_t { kGeluTanh, kGeluErf };

struct Config {
  std::int64_t n_layers = 0;
  std::int64_t n_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t dim = 0;      ///< n_heads * head_dim, the width of the residual stream
  std::int64_t ffn_dim = 0;  ///< width inside the feed-forward network
  std::int64_t n_positions = 0;
  std::int64_t n_vocab = 0;
  float norm_eps = 1e-5f;
  Activation activation = Activation::kGeluTanh;
  bool tied_output = true;  ///< the head is the token embedding
};

/// Reads the GGUF keys `gpt2.*`; n_vocab and tied_output come from the tensors. UNSUPPORTED: another architecture or
/// activation. BAD_MODEL: a key is absent, out of range or contradicts another.
Config read_config(const abi::Source& source);

}  // namespace llorch::gpt2_cpu
