// Kernels over single rows. Sums run in kLanes partial sums, element i in lane i % kLanes, added up by sum_lanes().
#pragma once

#include <cstdint>

#include "cpu/kernels/types.hpp"

namespace llorch::cpu::LLORCH_CPU_ISA {

/// Calls full(i) for each whole vector of n elements and then tail(i, rest) for what remains.
template <class Full, class Tail>
inline void for_vectors(std::int64_t n, Full full, Tail tail) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    full(i);
  if (i < n) tail(i, static_cast<int>(n - i));
}

inline void layer_norm(const float* x, const float* weight, const float* bias, float eps, std::int64_t n, float* y) {
  V16 sums = splat(0.0f);
  for_vectors(
      n, [&](std::int64_t i) { sums = add(sums, load(x + i)); },
      [&](std::int64_t i, int rest) { sums = add(sums, load_first(x + i, rest)); });
  const float mean = sum_lanes(sums) / static_cast<float>(n);
  const V16 center = splat(mean);
  V16 squares = splat(0.0f);
  const auto add_square = [&](V16 d) { squares = fma(d, d, squares); };
  for_vectors(
      n, [&](std::int64_t i) { add_square(sub(load(x + i), center)); },
      [&](std::int64_t i, int rest) { add_square(keep_first(sub(load_first(x + i, rest), center), rest)); });
  const float variance = sum_lanes(squares) / static_cast<float>(n);
  const V16 scale = splat(1.0f / __builtin_sqrtf(variance + eps));
  for_vectors(
      n,
      [&](std::int64_t i) {
        store(y + i, fma(mul(sub(load(x + i), center), scale), load(weight + i), load(bias + i)));
      },
      [&](std::int64_t i, int rest) {
        const V16 normed = mul(sub(load_first(x + i, rest), center), scale);
        store_first(y + i, fma(normed, load_first(weight + i, rest), load_first(bias + i, rest)), rest);
      });
}

inline void rms_norm(const float* x, const float* weight, float eps, std::int64_t n, float* y) {
  V16 squares = splat(0.0f);
  const auto add_square = [&](V16 v) { squares = fma(v, v, squares); };
  for_vectors(
      n, [&](std::int64_t i) { add_square(load(x + i)); },
      [&](std::int64_t i, int rest) { add_square(load_first(x + i, rest)); });
  const V16 scale = splat(1.0f / __builtin_sqrtf(sum_lanes(squares) / static_cast<float>(n) + eps));
  for_vectors(
      n, [&](std::int64_t i) { store(y + i, mul(mul(load(x + i), scale), load(weight + i))); },
      [&](std::int64_t i, int rest) {
        store_first(y + i, mul(mul(load_first(x + i, rest), scale), load_first(weight + i, rest)), rest);
      });
}

inline void rope(float* x, const float* cosines, const float* sines, std::int64_t n) {
  const auto rotated = [](V16 v, V16 c, V16 s) { return fma(swap_pairs(v), s, mul(v, c)); };
  for_vectors(
      n, [&](std::int64_t i) { store(x + i, rotated(load(x + i), load(cosines + i), load(sines + i))); },
      [&](std::int64_t i, int rest) {
        store_first(x + i, rotated(load_first(x + i, rest), load_first(cosines + i, rest), load_first(sines + i, rest)),
                    rest);
      });
}

inline void silu_gate(float* gate, const float* up, std::int64_t n) {
  const auto gated = [](V16 g, V16 u) { return mul(silu_of(g), u); };
  for_vectors(
      n, [&](std::int64_t i) { store(gate + i, gated(load(gate + i), load(up + i))); },
      [&](std::int64_t i, int rest) {
        store_first(gate + i, gated(load_first(gate + i, rest), load_first(up + i, rest)), rest);
      });
}

template <class F>
inline void map_in_place(float* x, std::int64_t n, F f) {
  for_vectors(
      n, [&](std::int64_t i) { store(x + i, f(load(x + i))); },
      [&](std::int64_t i, int rest) { store_first(x + i, f(load_first(x + i, rest)), rest); });
}

inline void gelu_tanh(float* x, std::int64_t n) {
  map_in_place(x, n, [](V16 v) { return gelu_tanh_of(v); });
}
inline void gelu_erf(float* x, std::int64_t n) {
  map_in_place(x, n, [](V16 v) { return gelu_erf_of(v); });
}

inline void add_rows(float* x, const float* y, std::int64_t n) {
  for_vectors(
      n, [&](std::int64_t i) { store(x + i, add(load(x + i), load(y + i))); },
      [&](std::int64_t i, int rest) {
        store_first(x + i, add(load_first(x + i, rest), load_first(y + i, rest)), rest);
      });
}

inline void exp_rows(const float* x, std::int64_t n, float* y) {
  for_vectors(
      n, [&](std::int64_t i) { store(y + i, exponential(load(x + i))); },
      [&](std::int64_t i, int rest) { store_first(y + i, exponential(load_first(x + i, rest)), rest); });
}

template <class F>
inline void with_type(WeightType type, const void* data, F f) {
  switch (type) {
    case WeightType::kF32:
      return f(static_cast<const float*>(data));
    case WeightType::kF16:
      return f(static_cast<const F16*>(data));
    case WeightType::kBf16:
      return f(static_cast<const Bf16*>(data));
    default:
      return;  // quantized: not a row of single values
  }
}

inline void gather_row(const PackedView& weights, std::int64_t row, float* out) {
  with_type(weights.type, weights.data, [&](const auto* data) {
    const auto* lane = data + row / kLanes * weights.n_cols * kLanes + row % kLanes;
    for (std::int64_t k = 0; k < weights.n_cols; ++k)
      out[k] = widen_one(lane[k * kLanes]);
  });
}

inline void widen(const void* x, WeightType type, std::int64_t n, float* out) {
  with_type(type, x, [&](const auto* data) {
    for (std::int64_t i = 0; i < n; ++i)
      out[i] = widen_one(data[i]);
  });
}

}  // namespace llorch::cpu::LLORCH_CPU_ISA
