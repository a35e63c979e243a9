// softmax(q K^T * scale) V over the blocks of one sequence. K blocks hold positions in their lanes, V blocks hold
// components, so both products are chains like those of matmul: scores over head_dim, outputs over positions. Narrower
// types are widened in registers: the results are those of an f32 cache that holds the stored values.
#pragma once

#include <cstdint>
#include <type_traits>

#include "cpu/kernels/types.hpp"

namespace llorch::cpu::LLORCH_CPU_ISA {

/// Elements of a cache: float, F16, or std::int8_t for the codes of kQ8_0.
template <class T>
inline constexpr bool kHasScales = std::is_same_v<T, std::int8_t>;

template <class T>
LLORCH_INLINE V16 stored_value(const T* p, V16 scale) {
  if constexpr (kHasScales<T>) return mul(load(p), scale);
  return load(p);
}

/// scores(r, p) = (q(r) . k(p)) * scale for R rows and the kLanes positions of B blocks from `block` on.
template <class T, int B, int R>
void score_tile(const AttentionArgs& a, std::int64_t row, std::int64_t block) {
  V16 acc[R][B];
  const T* k[B];
  LLORCH_UNROLL
  for (int b = 0; b < B; ++b)
    k[b] = reinterpret_cast<const T*>(a.k + a.blocks[block + b] * a.k_block_stride);
  LLORCH_UNROLL
  for (int r = 0; r < R; ++r) {
    LLORCH_UNROLL
    for (int b = 0; b < B; ++b)
      acc[r][b] = splat(0.0f);
  }
  const float* q = a.q + row * a.q_stride;
  for (std::int64_t d = 0; d < a.head_dim;) {
    std::int64_t stop = a.head_dim;
    V16 scales[B] = {};
    if constexpr (kHasScales<T>) {
      if (d + kKvPart < stop) stop = d + kKvPart;
      LLORCH_UNROLL
      for (int b = 0; b < B; ++b)
        scales[b] = load(reinterpret_cast<const F16*>(k[b] + a.head_dim * kLanes) + d / kKvPart * kLanes);
    }
    for (; d < stop; ++d) {
      V16 keys[B];
      LLORCH_UNROLL
      for (int b = 0; b < B; ++b)
        keys[b] = stored_value(k[b] + d * kLanes, scales[b]);
      LLORCH_UNROLL
      for (int r = 0; r < R; ++r) {
        const V16 query = splat(q[r * a.q_stride + d]);
        LLORCH_UNROLL
        for (int b = 0; b < B; ++b)
          acc[r][b] = fma(keys[b], query, acc[r][b]);
      }
    }
  }
  const V16 scale = splat(a.scale);
  LLORCH_UNROLL
  for (int r = 0; r < R; ++r) {
    LLORCH_UNROLL
    for (int b = 0; b < B; ++b) {
      store(a.scores + (row + r) * a.scores_stride + (block + b) * kLanes, mul(acc[r][b], scale));
    }
  }
}

/// Scores of R rows in all blocks that they see.
template <class T, int R>
void score_rows(const AttentionArgs& a) {
  constexpr int kWide = groups_of_tile(R);
  const std::int64_t n_blocks = (a.end[R - 1] + kLanes - 1) / kLanes;
  std::int64_t block = a.begin[0] / kLanes;
  for (; block + kWide <= n_blocks; block += kWide)
    score_tile<T, kWide, R>(a, 0, block);
  for (; block < n_blocks; ++block)
    score_tile<T, 1, R>(a, 0, block);
}

/// Turns the first n scores into e^(score - max); returns their sum.
inline float exponentials(float* scores, std::int64_t n) {
  const V16 lowest = splat(-__builtin_inff());
  V16 largest = lowest;
  for_vectors(
      n, [&](std::int64_t i) { largest = max(largest, load(scores + i)); },
      [&](std::int64_t i, int rest) { largest = max(largest, first_or(load_first(scores + i, rest), rest, lowest)); });
  const V16 top = splat(max_lanes(largest));
  V16 sums = splat(0.0f);
  for_vectors(
      n,
      [&](std::int64_t i) {
        const V16 e = exponential(sub(load(scores + i), top));
        sums = add(sums, e);
        store(scores + i, e);
      },
      [&](std::int64_t i, int rest) {
        const V16 e = keep_first(exponential(sub(load_first(scores + i, rest), top)), rest);
        sums = add(sums, e);
        store_first(scores + i, e, rest);
      });
  return sum_lanes(sums);
}

/// Continues out(r, d) = sum over positions [begin, end) of weight(r, p) v(p, d) for R rows and G groups of components.
template <class T, int G, int R>
void value_tile(const AttentionArgs& a, std::int64_t row, std::int64_t group, std::int64_t begin, std::int64_t end,
                float (*partial)[kAttentionRows][kLanes]) {
  if (begin >= end) return;
  V16 acc[R][G];
  LLORCH_UNROLL
  for (int r = 0; r < R; ++r) {
    LLORCH_UNROLL
    for (int g = 0; g < G; ++g)
      acc[r][g] = load(partial[g][row + r]);
  }
  const std::int64_t n_groups = (a.head_dim + kLanes - 1) / kLanes;
  const float* weight = a.scores + row * a.scores_stride;
  for (std::int64_t p = begin; p < end;) {
    const std::int64_t block_end = (p / kLanes + 1) * kLanes;
    const std::int64_t stop = block_end < end ? block_end : end;
    const T* block = reinterpret_cast<const T*>(a.v + a.blocks[p / kLanes] * a.v_block_stride);
    const T* v = block + group * kLanes * kLanes;
    float scales[G][kLanes];  // of the block's positions
    if constexpr (kHasScales<T>) {
      const auto* stored = reinterpret_cast<const F16*>(block + n_groups * kLanes * kLanes);
      LLORCH_UNROLL
      for (int g = 0; g < G; ++g)
        store(scales[g], load(stored + (group + g) * kLanes / kKvPart * kLanes));
    }
    for (; p < stop; ++p) {
      V16 values[G];
      LLORCH_UNROLL
      for (int g = 0; g < G; ++g) {
        V16 scale{};
        if constexpr (kHasScales<T>) scale = splat(scales[g][p % kLanes]);
        values[g] = stored_value(v + (g * kLanes + p % kLanes) * kLanes, scale);
      }
      LLORCH_UNROLL
      for (int r = 0; r < R; ++r) {
        const V16 w = splat(weight[r * a.scores_stride + p]);
        LLORCH_UNROLL
        for (int g = 0; g < G; ++g)
          acc[r][g] = fma(values[g], w, acc[r][g]);
      }
    }
  }
  LLORCH_UNROLL
  for (int r = 0; r < R; ++r) {
    LLORCH_UNROLL
    for (int g = 0; g < G; ++g)
      store(partial[g][row + r], acc[r][g]);
  }
}

/// out(r, d) = inverse_sum(r) * sum over the positions that row r sees of weight(r, p) v(p, d).
template <class T, int R>
void weigh_values(const AttentionArgs& a, const float* inverse_sum) {
  // Positions that all rows see are shared by the rows of the tile; each row adds the few it sees before and behind.
  constexpr int kWide = groups_of_tile(R);
  const bool shared = a.begin[R - 1] < a.end[0];
  const std::int64_t n_groups = (a.head_dim + kLanes - 1) / kLanes;
  float partial[kWide][kAttentionRows][kLanes];
  const auto groups = [&]<int G>(std::int64_t group) {
    for (int g = 0; g < G; ++g) {
      for (int r = 0; r < R; ++r)
        store(partial[g][r], splat(0.0f));
    }
    for (int r = 0; r < R; ++r)
      value_tile<T, G, 1>(a, r, group, a.begin[r], shared ? a.begin[R - 1] : a.end[r], partial);
    if (shared) {
      value_tile<T, G, R>(a, 0, group, a.begin[R - 1], a.end[0], partial);
      for (int r = 1; r < R; ++r)
        value_tile<T, G, 1>(a, r, group, a.end[0], a.end[r], partial);
    }
    for (int r = 0; r < R; ++r) {
      for (int g = 0; g < G; ++g) {
        const std::int64_t d = (group + g) * kLanes;
        const V16 out = mul(load(partial[g][r]), splat(inverse_sum[r]));
        const std::int64_t rest = a.head_dim - d;
        if (rest >= kLanes) {
          store(a.out + r * a.out_stride + d, out);
        } else {
          store_first(a.out + r * a.out_stride + d, out, static_cast<int>(rest));
        }
      }
    }
  };
  std::int64_t group = 0;
  for (; group + kWide <= n_groups; group += kWide)
    groups.template operator()<kWide>(group);
  for (; group < n_groups; ++group)
    groups.template operator()<1>(group);
}

/// Calls f.template operator()<T>() with the element type of a cache.
template <class F>
void with_kv_type(KvType type, F f) {
  switch (type) {
    case KvType::kF32:
      return f.template operator()<float>();
    case KvType::kF16:
      return f.template operator()<F16>();
    case KvType::kQ8_0:
      return f.template operator()<std::int8_t>();
  }
}

template <int R>
void attend_rows(const AttentionArgs& a) {
  with_kv_type(a.k_type, [&]<class T>() { score_rows<T, R>(a); });
  float inverse_sum[R];
  for (int r = 0; r < R; ++r) {
    float* scores = a.scores + r * a.scores_stride;
    if (a.scores_tap != nullptr) {
      for (std::int64_t p = 0; p < a.tap_columns; ++p) {
        a.scores_tap[r * a.tap_stride + p] = p >= a.begin[r] && p < a.end[r] ? scores[p] : -__builtin_inff();
      }
    }
    inverse_sum[r] = 1.0f / exponentials(scores + a.begin[r], a.end[r] - a.begin[r]);
  }
  with_kv_type(a.v_type, [&]<class T>() { weigh_values<T, R>(a, inverse_sum); });
}

inline void attend(const AttentionArgs& a) {
  static_assert(kAttentionRows == 6);
  switch (a.n_rows) {
    case 1:
      return attend_rows<1>(a);
    case 2:
      return attend_rows<2>(a);
    case 3:
      return attend_rows<3>(a);
    case 4:
      return attend_rows<4>(a);
    case 5:
      return attend_rows<5>(a);
    default:
      return attend_rows<6>(a);
  }
}

}  // namespace llorch::cpu::LLORCH_CPU_ISA
