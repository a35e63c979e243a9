// The hyperparameters of a Llama model.
#pragma once

#include <llorch/plugin.hpp>

#include <cstdint>

#include "common/rope/rope.hpp"

namespace llorch::llama {

struct Config {
  std::int64_t n_layers = 0;
  std::int64_t n_heads = 0;     ///< of queries
  std::int64_t n_heads_kv = 0;  ///< of keys and values; a divisor of n_heads
  std::int64_t head_dim = 0;    ///< dim / n_heads unless the file says otherwise
  std::int64_t dim = 0;         ///< width of the residual stream
  std::int64_t ffn_dim = 0;     ///< width inside the feed-forward network
  std::int64_t n_positions = 0;
  std::int64_t n_vocab = 0;
  std::int64_t window = 0;  ///< positions that a row sees, its own included; 0: all up to its own
  float norm_eps = 1e-5f;
  bool tied_output = true;  ///< the head is the token embedding
  bool has_rope_freqs = false;
  common::RopeSettings rope;  ///< without its divisors, which are a tensor

  [[nodiscard]] std::int64_t q_dim() const { return n_heads * head_dim; }
  [[nodiscard]] std::int64_t kv_dim() const { return n_heads_kv * head_dim; }
};

/// Reads the GGUF keys `llama.*`; n_vocab, tied_output and has_rope_freqs come from the tensors. UNSUPPORTED: another
/// architecture, a mixture of experts, another kind of rotary scaling or a setting of it that no code here follows.
/// BAD_MODEL: a key is absent, out of range or contradicts another.
Config read_config(const abi::Source& source);

}  // namespace llorch::llama
