// The functions of one instruction set. Every set computes the same bits; docs/kernels.md states the canonical order.
#pragma once

#include <cstdint>

#include "cpu/kernels/types.hpp"

namespace llorch::cpu {

/// All functions are [any-thread], do not allocate and do not fail. Pointers may have any alignment that suits their
/// type.
struct KernelTable {
  const char* name;  ///< "scalar", "avx2", "avx512", ...

  /// Token rows that share one pass over the weights; the width of an activation tile.
  std::int64_t tile_tokens;
  /// The same for rows of quantized activations.
  std::int64_t quant_tile_tokens;

  /// Rewrites rows [token_begin, token_end) of x (n_tokens, x_stride), n_cols values each, as tiles of tile_tokens
  /// rows: tile i holds (n_cols, rows in the tile). token_begin is a multiple of tile_tokens, token_end too or
  /// n_tokens.
  void (*pack_activations)(const float* x, std::int64_t x_stride, std::int64_t n_cols, std::int64_t token_begin,
                           std::int64_t token_end, float* tiles);
  /// Rewrites the same rows as int8 with a scale for each 32 columns, in tiles of quant_tile_tokens rows that
  /// packing.hpp describes. n_cols is a multiple of 32, tiles hold quantized_bytes(n_tokens, n_cols) bytes; token_begin
  /// is a multiple of quant_tile_tokens, token_end too or n_tokens.
  void (*quantize_activations)(const float* x, std::int64_t x_stride, std::int64_t n_cols, std::int64_t token_begin,
                               std::int64_t token_end, void* tiles);
  /// Each y(t, r) is one chain: bias(r), then fma(w(r, k), x(t, k), .) for k ascending; with quantized weights, the
  /// chain of docs/kernels.md over blocks of columns. Whole groups are written.
  void (*matmul)(const MatmulArgs& args, std::int64_t group_begin, std::int64_t group_end);
  /// Scaled dot products, softmax with the maximum subtracted, weighted sum of V.
  void (*attend)(const AttentionArgs& args);

  /// y = (x - mean) / sqrt(variance + eps) * weight + bias, biased variance. x, y, weight, bias: (n). y may be x.
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float eps, std::int64_t n, float* y);
  /// y = x / sqrt(mean(x^2) + eps) * weight. x, y, weight: (n). y may be x. Zhang and Sennrich, arXiv:1910.07467.
  void (*rms_norm)(const float* x, const float* weight, float eps, std::int64_t n, float* y);
  /// Rotates the pairs (x[i], x[i + 1]), i even, in place: x[i] cos - x[i + 1] sin, x[i + 1] cos + x[i] sin. n is even;
  /// cosines (n) has each pair's cosine twice, sines (n) its sine as -sin, sin. Su et al., arXiv:2104.09864.
  void (*rope)(float* x, const float* cosines, const float* sines, std::int64_t n);
  /// gate (n) becomes gate / (1 + e^-gate) * up, the gate of SwiGLU. Shazeer, arXiv:2002.05202.
  void (*silu_gate)(float* gate, const float* up, std::int64_t n);
  /// In place over x (n): 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), the form GPT-2 was trained with.
  void (*gelu_tanh)(float* x, std::int64_t n);
  /// In place over x (n): x Phi(x), the exact GELU.
  void (*gelu_erf)(float* x, std::int64_t n);
  /// x += y, both (n).
  void (*add)(float* x, const float* y, std::int64_t n);
  /// y (n) = exp(x), x clamped to [-86, 88].
  void (*exp)(const float* x, std::int64_t n, float* y);
  /// One row of a packed matrix, widened: out (n_cols).
  void (*gather_row)(const PackedView& weights, std::int64_t row, float* out);
  /// out (n) = widened x, of a type that is not quantized.
  void (*widen)(const void* x, WeightType type, std::int64_t n, float* out);
  /// out (n) = x to the nearest f16, ties to even; beyond 65504 infinite.
  void (*narrow)(const float* x, std::int64_t n, F16* out);
  /// x (n), n <= kKvPart, as a scale and codes (n) with |x - scale * code| <= scale / 2; values that have no such scale
  /// (infinite, none, beyond 8.3e6) make a scale that is no number.
  void (*quantize_part)(const float* x, std::int64_t n, F16* scale, std::int8_t* codes);
};

const KernelTable& scalar_kernels();
#if defined(__x86_64__)
const KernelTable& avx2_kernels();
const KernelTable& avx512_kernels();
const KernelTable& avx512_vnni_kernels();
const KernelTable& amx_kernels();
#endif

}  // namespace llorch::cpu
