// What plugins for Llama models say about a model in the same words.
#pragma once

#include <llorch/llorch_plugin.h>

#include <cstdint>

#include "common/rope/rope.hpp"
#include "llama/config.hpp"

namespace llorch::llama {

/// Taps that the forward pass offers: bits of llorch_model_info.taps.
inline constexpr std::uint64_t kTaps =
    1u << LLORCH_TAP_EMBED | 1u << LLORCH_TAP_ATTN_NORM | 1u << LLORCH_TAP_Q | 1u << LLORCH_TAP_K | 1u << LLORCH_TAP_V |
    1u << LLORCH_TAP_SCORES | 1u << LLORCH_TAP_ATTN_OUT | 1u << LLORCH_TAP_FFN_NORM | 1u << LLORCH_TAP_FFN_OUT |
    1u << LLORCH_TAP_BLOCK_OUT | 1u << LLORCH_TAP_FINAL_NORM | 1u << LLORCH_TAP_LOGITS | 1u << LLORCH_TAP_Q_ROTATED |
    1u << LLORCH_TAP_K_ROTATED;

/// LLORCH_CAP_* of every plugin here: its KV cache is common::KvBook's, its kernels sum each row on its own.
inline constexpr std::uint64_t kCapabilities =
    LLORCH_CAP_MULTI_SEQ | LLORCH_CAP_MIXED_BATCH | LLORCH_CAP_KV_PARTIAL_REMOVE | LLORCH_CAP_KV_SHIFT |
    LLORCH_CAP_KV_COPY_SHARES | LLORCH_CAP_KV_SAVE | LLORCH_CAP_SOURCE_NOT_RETAINED | LLORCH_CAP_BATCH_INVARIANT;

/// What model_probe answers. struct_size stays 0: the shim knows what the caller can take.
llorch_model_info model_info(const Config& config);

/// The rotary positions of a model. divisors: (rotated / 2) of rope_freqs.weight, not read where the model has none.
common::Rope make_rope(const Config& config, const float* divisors);

/// Tells models apart whose saved KV states must not be mixed up, the same in every plugin. `weights`: the hash over
/// all tensors in the order of visit_weights().
std::uint64_t model_fingerprint(std::uint64_t weights, const Config& config, const common::Rope& rope);

}  // namespace llorch::llama
