// One transformer block of GPT-2 over a batch of rows.
#pragma once

#include <cstdint>

#include "cpu/compute/attention.hpp"
#include "cpu/compute/compute.hpp"
#include "cpu/compute/live_rows.hpp"
#include "cpu/compute/taps.hpp"
#include "cpu/kv_cache/kv_cache.hpp"
#include "gpt2_cpu/config.hpp"
#include "gpt2_cpu/weights.hpp"

namespace llorch::gpt2_cpu {

/// Every intermediate of a forward pass, allocated once per context for max_rows rows.
struct Activations {
  Activations(const Config& c, std::int64_t max_rows, std::int64_t max_output_rows);
  static std::uint64_t bytes_for(const Config& c, std::int64_t max_rows, std::int64_t max_output_rows);
  [[nodiscard]] std::uint64_t bytes() const;

  cpu::RowBuffer x;           // (rows, dim), the residual stream
  cpu::RowBuffer attn_norm;   // (rows, dim)
  cpu::RowBuffer qkv;         // (rows, 3 * dim)
  cpu::RowBuffer attention;   // (rows, dim), merged heads
  cpu::RowBuffer attn_out;    // (rows, dim)
  cpu::RowBuffer ffn_norm;    // (rows, dim)
  cpu::RowBuffer ffn_hidden;  // (rows, ffn_dim)
  cpu::RowBuffer ffn_out;     // (rows, dim)
  cpu::RowBuffer final_norm;  // (output rows, dim)
  cpu::RowBuffer logits;      // (output rows, n_vocab)
};

/// What a block works with: all of it belongs to one context.
struct BlockState {
  const Config& config;
  cpu::Compute& compute;
  const cpu::Attention& attention;
  cpu::KvCache& kv;
  cpu::Taps& taps;
  Activations& activations;
  common::LiveRows& rows;
};

/// x += attention(norm(x)); x += feed_forward(norm(x)). With `outputs_only`, rows that nobody asked for are dropped as
/// soon as their keys and values are stored: for the last block.
void forward_block(const LayerWeights& w, std::int64_t layer, bool outputs_only, BlockState& s);

}  // namespace llorch::gpt2_cpu
