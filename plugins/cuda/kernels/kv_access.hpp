// Single rows of one head of the cache, in and out, by one warp: lane i has component part * 32 + i.
#pragma once

#include "cuda/kernels/device_code.hpp"
#include "cuda/kernels/kv_view.hpp"

namespace llorch::cuda {

/// One head's keys or values in one layer and block.
struct KvHead {
  unsigned char* elements;
  std::uint16_t* scales;
  KvType type;
  int padded;
  bool keys;

  __device__ __forceinline__ int place(int slot, int d) const {
    return keys ? kv_key_place(type, padded, slot, d) : kv_value_place(type, padded, slot, d);
  }
};

__device__ __forceinline__ KvHead kv_head(const KvView& kv, bool keys, std::int64_t layer, std::int64_t block,
                                          std::int64_t head) {
  const KvPlane& plane = keys ? kv.k : kv.v;
  const int padded = kv_padded(kv.head_dim);
  const std::int64_t index = (layer * kv.n_blocks + block) * kv.n_heads + head;
  KvHead out{};
  out.elements = plane.elements + index * kKvRows * padded * kv_element_size(plane.type);
  out.scales = plane.type == KvType::kQ8_0 ? plane.scales + index * (padded / kKvParts) * kKvRows : nullptr;
  out.type = plane.type;
  out.padded = padded;
  out.keys = keys;
  return out;
}

/// The scale of a q8_0 part as f16, by its largest magnitude as bits (NaN above all others); as llama2_cpu's
/// quantize_part. `usable`: codes are not all zero.
__device__ __forceinline__ std::uint16_t kv_scale(std::uint32_t largest_bits, bool& usable) {
  constexpr float kLargestCode = 127.0f;
  const float largest = float_of(largest_bits);
  std::uint16_t stored = float_to_half(div_(largest, kLargestCode));
  // Only where f16 is coarse: the scale was rounded down so far that the largest code would round beyond 127.
  if (largest > 0.0f && largest >= (kLargestCode + 0.5f) * half_to_float(stored)) ++stored;
  const bool representable = stored < 0x7c00u;
  if (!representable) stored = 0x7e00u;
  usable = representable && half_to_float(stored) != 0.0f;
  return stored;
}

/// Rounds the warp's components of a part to the type of the cache and stores them; those beyond head_dim are given as
/// 0.
__device__ __forceinline__ void store_part(const KvHead& head, int slot, int part, float v) {
  const int d = part * kKvParts + lane_id();
  const int at = head.place(slot, d);
  if (head.type == KvType::kF32) {
    reinterpret_cast<float*>(head.elements)[at] = v;
  } else if (head.type == KvType::kF16) {
    reinterpret_cast<std::uint16_t*>(head.elements)[at] = float_to_half(v);
  } else {
    std::uint32_t largest = bits_of(v) & 0x7fffffffu;
    LLORCH_UNROLL
    for (int distance = 16; distance > 0; distance /= 2) {
      const std::uint32_t other = shuffle_xor(largest, distance);
      largest = other > largest ? other : largest;
    }
    bool usable = false;
    const std::uint16_t scale = kv_scale(largest, usable);
    // Adding 1.5 * 2^23 leaves the nearest integer in the low bits.
    const std::uint32_t code = usable ? bits_of(div_(v, half_to_float(scale)) + 0x1.8p+23f) : 0u;
    head.elements[at] = static_cast<unsigned char>(code & 0xffu);
    if (lane_id() == 0) head.scales[part * kKvRows + slot] = scale;
  }
}

/// The stored value of component d.
__device__ __forceinline__ float fetch_component(const KvHead& head, int slot, int d) {
  const int at = head.place(slot, d);
  if (head.type == KvType::kF32) return reinterpret_cast<const float*>(head.elements)[at];
  if (head.type == KvType::kF16) return half_to_float(reinterpret_cast<const std::uint16_t*>(head.elements)[at]);
  const auto code = static_cast<std::int8_t>(head.elements[at]);
  return half_to_float(head.scales[d / kKvParts * kKvRows + slot]) * static_cast<float>(code);
}

}  // namespace llorch::cuda
