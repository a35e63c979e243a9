// Attention over f16 and q8_0 caches on tensor cores: what the kernels for few and for many rows share, and what makes
// their results the same.
//
// A chunk is 64 rows of a sequence, four blocks of the cache. For up to 8 (row, head) pairs, the columns of the matrix
// instruction:
//   scores   s = (k . q) * scale   keys in f16, q in f16 times a power of two
//   m        the largest score that the pair sees in the chunk
//   p        e^(s - m) rounded to f16, 0 where the pair does not see
//   l        the sum of p: keys g, g + 8 of each block in a chain over the blocks, then lanes at distance 4, 8, 16
//   o        sum of p v, block by block
// and the chunks in which a pair sees anything are merged in ascending order (merge_chunk).
#pragma once

#include "cuda/kernels/attention_params.hpp"
#include "cuda/kernels/device_code.hpp"
#include "cuda/kernels/kv_access.hpp"

namespace llorch::cuda {

/// Halves of a row of probabilities (one pair) in shared memory: 64 and some, against bank conflicts.
inline constexpr int kProbabilityStride = kChunkRows + 8;

__device__ __forceinline__ float minus_infinity() {
  return float_of(0xff800000u);
}

/// Which query a column of the instruction stands for.
struct PairOfColumn {
  int row;   // of the batch
  int head;  // of queries
  bool real;
};
__device__ __forceinline__ PairOfColumn pair_of_column(const AttentionParams& p, int first_row, int n_rows, int kv_head,
                                                       int group, int column) {
  const int heads = smaller(p.shared - group * kPairs, kPairs);  // of a row in this tile
  const int row = column / heads;
  if (row >= n_rows) return {first_row, kv_head * p.shared, false};
  return {first_row + row, kv_head * p.shared + group * kPairs + column % heads, true};
}

/// The queries of a tile as matrix B, and what turns a product into a score.
template <int kParts>
struct Queries {
  std::uint32_t b[kParts][4];  // (part of 32 components; two steps of two registers)
  float factor[2];             // of columns 2t, 2t + 1

  /// pair: that of column g = lane / 4.
  __device__ __forceinline__ void load(const AttentionParams& p, const PairOfColumn& pair) {
    const int head_dim = p.kv.head_dim;
    const float* q = p.q.data + pair.row * p.q.stride + std::int64_t{pair.head} * head_dim;
    float x[kParts][8];
    std::uint32_t largest = 0;
    LLORCH_UNROLL
    for (int part = 0; part < kParts; ++part) {
      LLORCH_UNROLL
      for (int i = 0; i < 8; ++i) {
        const int d = part * kKvParts + lane_id() % 4 * 8 + i;
        x[part][i] = pair.real && d < head_dim ? q[d] : 0.0f;
        const std::uint32_t magnitude = bits_of(x[part][i]) & 0x7fffffffu;
        largest = magnitude > largest ? magnitude : largest;
      }
    }
    LLORCH_UNROLL
    for (int distance = 1; distance < 4; distance *= 2) {
      const std::uint32_t other = shuffle_xor(largest, distance);
      largest = other > largest ? other : largest;
    }
    // A power of two brings the largest magnitude into [2^13, 2^14); both it and its inverse are normal floats.
    std::uint32_t exponent = largest >> 23u;
    if (exponent < 14) exponent = 14;
    const std::uint32_t power = exponent == 255 ? 127u : 267u - exponent;
    const float up = float_of(power << 23u);
    LLORCH_UNROLL
    for (int part = 0; part < kParts; ++part) {
      LLORCH_UNROLL
      for (int i = 0; i < 4; ++i)
        b[part][i] = pack_halves(float_to_half(x[part][2 * i] * up), float_to_half(x[part][2 * i + 1] * up));
    }
    const float down = float_of((254u - power) << 23u) * p.scale;
    LLORCH_UNROLL
    for (int i = 0; i < 2; ++i)
      factor[i] = shuffle(down, (lane_id() % 4 * 2 + i) * 4);
  }
};

/// The rows that columns 2t and 2t + 1 see.
struct Visible {
  int begin[2], end[2];
};

/// Four bytes as halves: of two pairs of codes, each code times its own scale.
__device__ __forceinline__ std::uint32_t scaled_pair(std::uint32_t word, int shift, float scale0, float scale1) {
  const auto code0 = static_cast<float>(static_cast<std::int8_t>(word >> shift & 0xffu));
  const auto code1 = static_cast<float>(static_cast<std::int8_t>(word >> (shift + 8) & 0xffu));
  return pack_halves(float_to_half(code0 * scale0), float_to_half(code1 * scale1));
}

/// Matrix A of 16 keys (rows) by 32 components: two steps.
template <KvType kType>
__device__ __forceinline__ void load_keys(const KvHead& head, int part, std::uint32_t (&a)[2][4]) {
  if constexpr (kType == KvType::kF16) {
    LLORCH_UNROLL
    for (int step = 0; step < 2; ++step) {
      const Words4 w = load_words4(head.elements + ((part * 2 + step) * 32 + lane_id()) * 16);
      a[step][0] = w.x;
      a[step][1] = w.y;
      a[step][2] = w.z;
      a[step][3] = w.w;
    }
  } else {
    const Words4 w = load_words4(head.elements + (part * 32 + lane_id()) * 16);
    const std::uint32_t words[4] = {w.x, w.y, w.z, w.w};
    const std::uint16_t* scales = head.scales + part * kKvRows + lane_id() / 4;
    const float scale[2] = {half_to_float(scales[0]), half_to_float(scales[8])};
    LLORCH_UNROLL
    for (int i = 0; i < 8; ++i)
      a[i / 4][i % 4] = scaled_pair(words[i / 2], i % 2 * 16, scale[i % 2], scale[i % 2]);
  }
}

/// Matrix A of 16 components (rows) by the 16 keys of a block.
template <KvType kType>
__device__ __forceinline__ void load_values(const KvHead& head, int tile, std::uint32_t (&a)[4]) {
  if constexpr (kType == KvType::kF16) {
    const Words4 w = load_words4(head.elements + (tile * 32 + lane_id()) * 16);
    a[0] = w.x;
    a[1] = w.y;
    a[2] = w.z;
    a[3] = w.w;
  } else {
    const auto* words =
        reinterpret_cast<const std::uint32_t*>(head.elements + (tile / 2 * 32 + lane_id()) * 16 + tile % 2 * 8);
    const auto* scales = reinterpret_cast<const std::uint32_t*>(head.scales + tile / 2 * kKvRows + lane_id() % 4 * 4);
    LLORCH_UNROLL
    for (int pair = 0; pair < 2; ++pair) {
      const std::uint32_t word = words[pair];
      const std::uint32_t two = scales[pair];
      const float scale0 = half_to_float(static_cast<std::uint16_t>(two & 0xffffu));
      const float scale1 = half_to_float(static_cast<std::uint16_t>(two >> 16u));
      a[2 * pair] = scaled_pair(word, 0, scale0, scale1);
      a[2 * pair + 1] = scaled_pair(word, 16, scale0, scale1);
    }
  }
}
/// Clears what belongs to keys from `n_keys` of the block on: their memory may hold anything.
__device__ __forceinline__ void clear_values(std::uint32_t (&a)[4], int n_keys) {
  const int first = lane_id() % 4 * 4;
  LLORCH_UNROLL
  for (int pair = 0; pair < 2; ++pair) {
    const int key = first + 2 * pair;
    const std::uint32_t mask = key + 1 < n_keys ? 0xffffffffu : key < n_keys ? 0x0000ffffu : 0u;
    a[2 * pair] &= mask;
    a[2 * pair + 1] &= mask;
  }
}

/// Scores of the 16 keys of a block: s[0], s[1] are key g, columns 2t, 2t + 1; s[2], s[3] key g + 8. kExact: heads have
/// kParts parts, so that nothing has to be asked in between.
template <KvType kType, bool kExact, int kParts>
__device__ __forceinline__ void score_block(const KvHead& keys, const Queries<kParts>& q, int n_parts, float (&s)[4]) {
  LLORCH_UNROLL
  for (float& one : s)
    one = 0.0f;
  LLORCH_UNROLL
  for (int part = 0; part < kParts; ++part) {
    if (!kExact && part >= n_parts) break;
    std::uint32_t a[2][4];
    load_keys<kType>(keys, part, a);
    LLORCH_UNROLL
    for (int step = 0; step < 2; ++step) {
      const std::uint32_t b[2] = {q.b[part][2 * step], q.b[part][2 * step + 1]};
      mma_f16(s, a[step], b);
    }
  }
  LLORCH_UNROLL
  for (int i = 0; i < 4; ++i)
    s[i] = s[i] * q.factor[i % 2];
}

/// Is the key of s[i] in the block that starts with row `first` seen by its column?
__device__ __forceinline__ bool sees(const Visible& visible, int first, int i) {
  const int key = first + lane_id() / 4 + i / 2 * 8;
  return key >= visible.begin[i % 2] && key < visible.end[i % 2];
}

/// The largest over the lanes that share columns.
__device__ __forceinline__ float max_of_column(float v) {
  LLORCH_UNROLL
  for (int distance = 4; distance < 32; distance *= 2)
    v = max_(v, shuffle_xor(v, distance));
  return v;
}
__device__ __forceinline__ float sum_of_column(float v) {
  LLORCH_UNROLL
  for (int distance = 4; distance < 32; distance *= 2)
    v = v + shuffle_xor(v, distance);
  return v;
}

/// e^(score - largest) as f16, 0 where it is not seen.
__device__ __forceinline__ std::uint16_t probability(bool seen, float score, float largest) {
  return seen ? float_to_half(exp_(score - largest)) : std::uint16_t{0};
}

/// Adds a chunk of a pair, in which it sees something, to those before: largest score m, sum l.
struct Merge {
  float old_factor, new_factor;
};
__device__ __forceinline__ Merge merge_chunk(float m, float l, float& total_m, float& total_l) {
  const float largest = max_(total_m, m);
  const Merge factors = {exp_(total_m - largest), exp_(m - largest)};
  total_m = largest;
  total_l = fma_(total_l, factors.old_factor, l * factors.new_factor);
  return factors;
}
__device__ __forceinline__ float merge_value(const Merge& factors, float total, float v) {
  return fma_(total, factors.old_factor, v * factors.new_factor);
}

/// The block of the cache that holds rows 16 * index .. of a sequence; index is below the length of its table.
__device__ __forceinline__ KvHead block_of(const AttentionParams& p, bool keys, std::uint32_t table, int index,
                                           int kv_head_index) {
  return kv_head(p.kv, keys, p.layer, p.blocks[table + static_cast<std::uint32_t>(index)], kv_head_index);
}

// ---- on their way to shared memory ----------------------------------------------------------------------------------

/// Bytes of one head in one block of the cache: elements, then scales.
struct HeadBytes {
  int elements, scales;
  [[nodiscard]] LLORCH_HOST_DEVICE constexpr int all() const { return elements + scales; }
};
LLORCH_HOST_DEVICE constexpr HeadBytes head_bytes(KvType type, int head_dim) {
  const int padded = kv_padded(head_dim);
  return {kKvRows * padded * kv_element_size(type), type == KvType::kQ8_0 ? padded / kKvParts * kKvRows * 2 : 0};
}
/// Of the keys and values of one head in a chunk.
inline int chunk_bytes(const KvView& kv) {
  return kChunkBlocks * (head_bytes(kv.k.type, kv.head_dim).all() + head_bytes(kv.v.type, kv.head_dim).all());
}

/// Starts copying one head of a block to shared memory by threads first, first + stride ...
__device__ __forceinline__ void stage_head(const KvHead& from, HeadBytes bytes, unsigned char* to, int first,
                                           int stride) {
  for (int i = first * 16; i < bytes.elements; i += stride * 16)
    copy_async_16(to + i, from.elements + i);
  for (int i = first * 16; i < bytes.scales; i += stride * 16)
    copy_async_16(to + bytes.elements + i, reinterpret_cast<const unsigned char*>(from.scales) + i);
}
/// What stage_head() copied there.
template <KvType kType>
__device__ __forceinline__ KvHead staged_head(const AttentionParams& p, bool keys, unsigned char* at, HeadBytes bytes) {
  KvHead head{};
  head.elements = at;
  head.scales = reinterpret_cast<std::uint16_t*>(at + bytes.elements);
  head.type = kType;
  head.padded = kv_padded(p.kv.head_dim);
  head.keys = keys;
  return head;
}

}  // namespace llorch::cuda
