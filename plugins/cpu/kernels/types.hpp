// Element types and views that kernels take. Plain data only: included by files compiled for one instruction set.
#pragma once

#include <cstdint>

#include "common/kv/kv_types.hpp"
#include "common/quant/weight_type.hpp"

// Before a loop over registers: an array of vectors lives in registers only where every index is a constant.
#if defined(__clang__)
#define LLORCH_UNROLL _Pragma("clang loop unroll(full)")
#else
#define LLORCH_UNROLL _Pragma("GCC unroll 16")
#endif

// Inlined by force: a function of its own would keep vectors in memory.
#define LLORCH_INLINE inline __attribute__((always_inline))

namespace llorch::cpu {

/// Lanes of every vector kernel, on every instruction set: part of the canonical order of accumulation
/// (docs/kernels.md).
inline constexpr int kLanes = 16;

/// IEEE 754 binary16, as stored.
struct F16 {
  std::uint16_t bits;
};
/// The upper half of a binary32, as stored.
struct Bf16 {
  std::uint16_t bits;
};

using common::is_quantized;
using common::kKvPart;
using common::KvType;
using common::WeightType;

/// A weight matrix (n_rows, n_cols) repacked so that a vector's lanes are rows: (n_groups, n_cols, kLanes), where row r
/// is lane r % kLanes of group r / kLanes. Rows that pad the last group are zero. Quantized ones:
/// cpu/kernels/packing.hpp.
struct PackedView {
  const void* data;
  WeightType type;
  std::int64_t n_rows;
  std::int64_t n_cols;
  [[nodiscard]] std::int64_t n_groups() const { return (n_rows + kLanes - 1) / kLanes; }
};

/// y = x W^T + bias for a range of row groups of W.
struct MatmulArgs {
  PackedView weights;
  const float* bias;      // (n_groups * kLanes), or null for zero
  const void* x;          // activations in tiles: floats as KernelTable::pack_activations wrote them, or, where the
                          // weights are quantized, what KernelTable::quantize_activations wrote
  std::int64_t n_tokens;  // rows of x and y
  float* y;               // (n_tokens, y_stride), y_stride >= n_groups * kLanes
  std::int64_t y_stride;  // floats
  float* panel;           // (kPanelFloats) scratch of the calling thread
};

/// Where a tile's chains start: at a bias (stride 0), at earlier partial results (their stride), or at zero (null).
struct Start {
  const float* values;
  std::int64_t stride;
};

/// Most query rows that attention takes at once, on every instruction set.
inline constexpr int kAttentionRows = 6;

/// Attention of a tile of query rows over one head's keys and values of one sequence. The rows are consecutive tokens,
/// or the heads of one token that share these keys and values.
struct AttentionArgs {
  const float* q;         // (n_rows, q_stride); head_dim values of each row are read
  std::int64_t q_stride;  // floats
  std::int64_t n_rows;    // 1..kAttentionRows
  // Row r sees rows [begin[r], end[r]) of the cache: at least one; both bounds ascend with r.
  std::int64_t begin[kAttentionRows];
  std::int64_t end[kAttentionRows];
  const std::uint32_t* blocks;  // block table of the sequence
  // Block b: k + b * k_block_stride: elements (head_dim, kLanes positions), then, where they are quantized, f16 scales
  // (ceil(head_dim / kKvPart), kLanes positions).
  const unsigned char* k;
  // Block b: v + b * v_block_stride: elements (ceil(head_dim / kLanes), kLanes positions, kLanes), then, where they are
  // quantized, f16 scales (ceil(head_dim / kKvPart), kLanes positions).
  const unsigned char* v;
  KvType k_type;
  KvType v_type;
  std::int64_t k_block_stride;  // bytes
  std::int64_t v_block_stride;  // bytes
  std::int64_t head_dim;
  float scale;                 // scores are (q . k) * scale
  float* scores;               // (n_rows, scores_stride) scratch
  std::int64_t scores_stride;  // floats, a multiple of kLanes, >= the largest end
  float* scores_tap;  // null, or (n_rows, tap_stride): scaled scores, -inf where masked, tap_columns of each row
  std::int64_t tap_stride;
  std::int64_t tap_columns;
  float* out;  // (n_rows, out_stride); head_dim values of each row are written
  std::int64_t out_stride;
};

/// Columns of a weight panel that is widened to f32 and kept in L2 while all rows of a batch pass over it.
inline constexpr std::int64_t kPanelColumns = 768;
/// Row groups of such a panel.
inline constexpr std::int64_t kPanelGroups = 4;
inline constexpr std::int64_t kPanelFloats = kPanelColumns * kPanelGroups * kLanes;

}  // namespace llorch::cpu
