// From the types of a cache and the width of its heads to the kernel that was compiled for them.
#pragma once

#include "cuda/kernels/attention_params.hpp"

namespace llorch::cuda {

/// f.template operator()<parts>() with the least of 2, 4, 8 parts of 32 components that hold a head.
template <class F>
void with_parts(const AttentionParams& p, F f) {
  const int parts = kv_padded(p.kv.head_dim) / kKvParts;
  if (parts <= 2) return f.template operator()<2>();
  if (parts <= 4) return f.template operator()<4>();
  return f.template operator()<8>();
}

/// f.template operator()<keys, values, parts>(); both types are f16 or q8_0.
template <class F>
void with_cache_types(const AttentionParams& p, F f) {
  with_parts(p, [&]<int kParts>() {
    const bool codes = p.kv.v.type == KvType::kQ8_0;
    if (p.kv.k.type == KvType::kQ8_0) {
      if (codes) return f.template operator()<KvType::kQ8_0, KvType::kQ8_0, kParts>();
      return f.template operator()<KvType::kQ8_0, KvType::kF16, kParts>();
    }
    if (codes) return f.template operator()<KvType::kF16, KvType::kQ8_0, kParts>();
    return f.template operator()<KvType::kF16, KvType::kF16, kParts>();
  });
}

}  // namespace llorch::cuda
