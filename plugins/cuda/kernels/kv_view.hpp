// How keys and values lie on the device. Plain data only: included by kernels.
//
// Blocks of 16 rows, the block table's and KvBook's: (layer, block, head) of 16 rows by round_up(head_dim, 32)
// components, those beyond head_dim being zero.
//
//   f16  as mma.sync takes its A. Keys: A is 16 keys by components; (components / 16, lane, 8 halves), of a chunk of 32
//        components the lane's are 8t..8t+7, four for each of two steps. Values: A is 16 components by 16 keys;
//        (components / 16, lane, 8 halves), a lane's keys being 4t..4t+3.
//   q8_0 the same places, bytes instead of halves, the two steps (of values: the two tiles) of 32 components in one:
//        (components / 32, lane, 2, 8 codes). Scales in a plane of their own: (layer, block, head, part of 32, 16 rows)
//        f16.
//   f32  (16 rows, components)
#pragma once

#include <cstdint>

#include "common/kv/kv_types.hpp"
#include "cuda/weights/host_device.hpp"

namespace llorch::cuda {

using common::KvType;

inline constexpr int kKvRows = 16;   // of a block; common::kKvBlock
inline constexpr int kKvParts = 32;  // components with one scale; common::kKvPart

/// The keys or the values of all layers. Does not own them; the pointers are aligned to 256 bytes.
struct KvPlane {
  unsigned char* elements = nullptr;  // (n_layers, n_blocks, n_heads, 16 * padded) elements
  std::uint16_t* scales = nullptr;    // (n_layers, n_blocks, n_heads, padded / 32, 16) f16; q8_0 only
  KvType type = KvType::kF16;
};

/// The cache of a context on the device.
struct KvView {
  KvPlane k, v;
  std::int32_t n_layers = 0, n_blocks = 0, n_heads = 0, head_dim = 0;
};

LLORCH_HOST_DEVICE constexpr int kv_padded(int head_dim) {
  return (head_dim + kKvParts - 1) / kKvParts * kKvParts;
}
LLORCH_HOST_DEVICE constexpr int kv_element_size(KvType type) {
  return type == KvType::kF32 ? 4 : type == KvType::kF16 ? 2 : 1;
}

/// Where component d of the key in row `slot` lies, in elements from the start of a (layer, block, head).
LLORCH_HOST_DEVICE constexpr int kv_key_place(KvType type, int padded, int slot, int d) {
  if (type == KvType::kF32) return slot * padded + d;
  const int lane = slot % 8 * 4 + d % 32 / 8;
  const int step = d % 8 / 4;
  const int within = (d % 4 / 2 * 2 + slot / 8) * 2 + d % 2;
  return type == KvType::kF16 ? ((d / 32 * 2 + step) * 32 + lane) * 8 + within
                              : (d / 32 * 32 + lane) * 16 + step * 8 + within;
}
/// The same of a value.
LLORCH_HOST_DEVICE constexpr int kv_value_place(KvType type, int padded, int slot, int d) {
  if (type == KvType::kF32) return slot * padded + d;
  const int lane = d % 8 * 4 + slot / 4;
  const int within = (slot % 4 / 2 * 2 + d % 16 / 8) * 2 + slot % 2;
  return type == KvType::kF16 ? (d / 16 * 32 + lane) * 8 + within
                              : (d / 32 * 32 + lane) * 16 + d % 32 / 16 * 8 + within;
}

/// Bytes of the elements of the keys (or the values) of a cache, and of their scales: 0 where there are none.
LLORCH_HOST_DEVICE constexpr std::int64_t kv_element_bytes_of(KvType type, std::int64_t n_layers, std::int64_t n_blocks,
                                                              std::int64_t n_heads, std::int64_t head_dim) {
  return n_layers * n_blocks * n_heads * kKvRows * kv_padded(static_cast<int>(head_dim)) * kv_element_size(type);
}
LLORCH_HOST_DEVICE constexpr std::int64_t kv_scale_bytes_of(KvType type, std::int64_t n_layers, std::int64_t n_blocks,
                                                            std::int64_t n_heads, std::int64_t head_dim) {
  if (type != KvType::kQ8_0) return 0;
  return n_layers * n_blocks * n_heads * (kv_padded(static_cast<int>(head_dim)) / kKvParts) * kKvRows * 2;
}

}  // namespace llorch::cuda
