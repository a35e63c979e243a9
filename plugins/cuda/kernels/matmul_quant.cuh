// Products with quantized weights: exact sums of int8 products over the 32 (or 16) columns that share a scale, then one
// fma with both scales, and one with the minimum where there is one: llama2_cpu's chain (docs/quantization.md), cut
// into segments.
#pragma once

#include "common/quant/quant_format.hpp"
#include "cuda/kernels/matmul_tiles.cuh"

namespace llorch::cuda {

/// Values i .. i + 3 of IQ4's table, as signed bytes.
constexpr std::uint32_t iq4_values(int i) {
  std::uint32_t word = 0;
  for (int k = 0; k < 4; ++k)
    word |= static_cast<std::uint32_t>(common::kIq4Codes[i + k] ^ 0x80) << (8 * k);
  return word;
}
inline constexpr std::uint32_t kIq4Values0 = iq4_values(0);
inline constexpr std::uint32_t kIq4Values4 = iq4_values(4);
inline constexpr std::uint32_t kIq4Values8 = iq4_values(8);
inline constexpr std::uint32_t kIq4Values12 = iq4_values(12);

template <WeightType kType>
struct QuantFamily {
  static constexpr common::QuantFormat kFormat = common::quant_format(kType);
  static constexpr QuantLayout kLayout = quant_layout(kType);
  static constexpr int kUnitBytes = kLayout.block_bytes;
  static constexpr int kXUnitBytes = static_cast<int>(kQ8Block);
  static constexpr int kXUsedBytes = static_cast<int>(!kFormat.minimums      ? kQ8Sums
                                                      : kFormat.parts() == 1 ? kQ8HalfSums
                                                                             : kQ8Block);
  static constexpr int kDecodeStages = 2;
  static constexpr int kXTilesOfWarp = 4;
  // Types that are rare do without the widest blocks: each takes nvcc seconds for every device.
  static constexpr bool kFrequent = kType == WeightType::kQ8_0 || kType == WeightType::kQ4_0 ||
                                    kType == WeightType::kQ4_K || kType == WeightType::kQ5_K ||
                                    kType == WeightType::kQ6_K;
  static constexpr int kColumnWarps = kFrequent ? 4 : 2;

  // In words of a lane: of a pair of chunks, and of a block.
  static constexpr int kLow = kLayout.low_bits;    // 8 bits: 8 words for a pair of chunks; 4: 4; 2: 2
  static constexpr int kHigh = kLayout.high_bits;  // 2 bits: 2 words; 1: 1
  static constexpr int kRowBytes = kFormat.super_scales ? kLayout.part_bytes : 2 * static_cast<int>(kBlockChunks);
  static constexpr int kHalfWords = !kFormat.super_scales ? 0 : kFormat.minimums ? 2 : 1;
  static constexpr int kPairs = static_cast<int>(kBlockChunks) / 2;
  static constexpr int kParts = kFormat.parts();  // of a chunk
  /// Codes are taken from their fields to the top of a byte where they are signed, which makes them 2^kShift larger.
  static constexpr int kShift = kFormat.offset_shift < 0 || kFormat.from_table ? 0 : 8 - kFormat.bits;

  /// A block in shared memory, as a lane sees it.
  struct Block {
    const unsigned char* block;
    int lane;
    __device__ __forceinline__ std::uint32_t word(int bytes) const {
      return *reinterpret_cast<const std::uint32_t*>(block + bytes);
    }
    /// The words that hold chunk c of a pair.
    __device__ __forceinline__ void low(int pair, int c, std::uint32_t (&words)[kLow == 8 ? 4 : kLow]) const {
      if constexpr (kLow >= 4) {
        const Words4 four = load_words4(block + ((kLow == 8 ? pair * 2 + c : pair) * 32 + lane) * 16);
        words[0] = four.x;
        words[1] = four.y;
        words[2] = four.z;
        words[3] = four.w;
      } else {
        words[c] = word((pair * kLow + c) / 4 * 512 + lane * 16 + (pair * kLow + c) % 4 * 4);
      }
    }
    __device__ __forceinline__ std::uint32_t high(int i) const {
      return word(kLayout.low_bytes + i / 4 * 512 + lane * 16 + i % 4 * 4);
    }
    /// A scale or minimum of one byte.
    __device__ __forceinline__ float factor(int byte) const {
      return static_cast<float>(static_cast<std::int8_t>(block[kLayout.scales_at + lane / 4 * 2 * kRowBytes + byte]));
    }
    __device__ __forceinline__ std::uint32_t scale(int i) const {
      return word(kLayout.scales_at + lane / 4 * 2 * kRowBytes + i * 4);
    }
    __device__ __forceinline__ std::uint32_t minimum(int i) const {
      return word(kLayout.minimums_at + lane / 4 * 32 + i * 4);
    }
    __device__ __forceinline__ std::uint32_t half(int i) const {
      return word(kLayout.halves_at + (lane / 4 * kHalfWords + i) * 4);
    }
  };

  /// A chunk of a lane's rows g and g + 8, ready to be multiplied.
  struct Chunk {
    std::uint32_t codes[4];  // registers of the instruction
    float scale[kParts][2];  // (part, row)
    float minimum[kParts][2];
  };

  /// `bits` bits of each byte, moved from bit `from` to bit `to`.
  __device__ __forceinline__ static std::uint32_t move_bits(std::uint32_t word, int from, int to, int bits) {
    const std::uint32_t moved = to >= from ? word << (to - from) : word >> (from - to);
    return moved & (((1u << bits) - 1u) << to) * 0x01010101u;
  }
  /// The table's values at the indices in the lowest four nibbles.
  __device__ __forceinline__ static std::uint32_t look_up(std::uint32_t indices) {
    const std::uint32_t lower = byte_permute(kIq4Values0, kIq4Values4, indices & 0x7777u);
    const std::uint32_t upper = byte_permute(kIq4Values8, kIq4Values12, indices & 0x7777u);
    const std::uint32_t is_upper = byte_permute(0x0000ff00u, 0u, indices >> 3u & 0x1111u);
    return (upper & is_upper) | (lower & ~is_upper);
  }
  __device__ __forceinline__ static float half_of(std::uint32_t word, int upper) {
    return half_to_float(static_cast<std::uint16_t>(upper != 0 ? word >> 16u : word & 0xffffu));
  }
  /// Chunk `pair * 2 + c` of the block.
  __device__ __forceinline__ static Chunk take(const Block& from, int pair, int c) {
    Chunk out;
    std::uint32_t low[kLow == 8 ? 4 : kLow];
    from.low(pair, c, low);
    LLORCH_UNROLL
    for (int j = 0; j < 4; ++j) {
      std::uint32_t& codes = out.codes[j];
      if constexpr (kFormat.from_table) {
        codes = look_up(c == 0 ? low[j] : low[j] >> 16u);
      } else if constexpr (kLow == 8) {
        codes = low[j];
      } else if constexpr (kLow == 4) {
        codes = move_bits(low[j], 4 * c, kShift, 4);
      } else {
        codes = move_bits(low[c], 2 * j, kShift, 2);
      }
      if constexpr (kHigh == 1) {
        codes |= move_bits(from.high(pair), 4 * c + j, kShift + kLow, 1);
      } else if constexpr (kHigh == 2) {
        codes |= move_bits(from.high(pair * 2 + c), 2 * j, kShift + kLow, 2);
      }
    }
    constexpr float kUnshift = 1.0f / static_cast<float>(1 << kShift);
    LLORCH_UNROLL
    for (int row = 0; row < 2; ++row) {
      if constexpr (kFormat.super_scales) {
        const float d = half_of(from.half(0), row) * kUnshift;
        const float m = kFormat.minimums ? half_of(from.half(kHalfWords - 1), row) : 0.0f;
        LLORCH_UNROLL
        for (int part = 0; part < kParts; ++part) {
          const int byte = row * kRowBytes + (pair * 2 + c) * kParts + part;
          out.scale[part][row] = d * from.factor(byte);
          if constexpr (kFormat.minimums) out.minimum[part][row] = m * from.factor(byte + kRowBytes / 2);
        }
      } else {
        out.scale[0][row] = half_of(from.scale(row * 4 + pair), c) * kUnshift;
        if constexpr (kFormat.minimums) out.minimum[0][row] = half_of(from.minimum(row * 4 + pair), c);
      }
    }
    return out;
  }

  static constexpr std::uint32_t kIntegerBits = 0x4b400000u;  // of 1.5 * 2^23: plus an integer below 2^22
  static constexpr float kIntegerBase = 0x1.8p+23f;

  __device__ __forceinline__ static float float_of_sum(std::int32_t sum) {
    return float_of(static_cast<std::uint32_t>(sum)) - kIntegerBase;
  }

  /// Continues acc by one part: sums of integer products that started at kIntegerBits.
  __device__ __forceinline__ static void scale_sums(const std::int32_t (&sums)[4], const float (&scale)[2],
                                                    const float (&minimum)[2], FloatPair x_scale, FloatPair x_sum,
                                                    float (&acc)[4]) {
    LLORCH_UNROLL
    for (int i = 0; i < 4; ++i) {
      const float both = scale[i / 2] * (i % 2 == 0 ? x_scale.x : x_scale.y);
      acc[i] = fma_(both, float_of_sum(sums[i]), acc[i]);
      if constexpr (kFormat.minimums) acc[i] = fma_(minimum[i / 2], i % 2 == 0 ? x_sum.x : x_sum.y, acc[i]);
    }
  }

  /// Continues acc by a chunk. x: the lane's activations.
  __device__ __forceinline__ static void add_chunk(const Chunk& w, WordPair x, FloatPair x_scale,
                                                   const FloatPair (&x_sums)[kParts], float (&acc)[4]) {
    constexpr auto kStart = static_cast<std::int32_t>(kIntegerBits);
    if constexpr (kParts == 1) {
      std::int32_t sums[4] = {kStart, kStart, kStart, kStart};
      const std::uint32_t both[2] = {x.x, x.y};
      mma_s8(sums, w.codes, both);
      scale_sums(sums, w.scale[0], w.minimum[0], x_scale, x_sums[0], acc);
    } else {
      LLORCH_UNROLL
      for (int part = 0; part < 2; ++part) {
        std::int32_t sums[4] = {kStart, kStart, kStart, kStart};
        const std::uint32_t codes[2] = {w.codes[2 * part], w.codes[2 * part + 1]};
        mma_s8_k16(sums, codes, part == 0 ? x.x : x.y);
        scale_sums(sums, w.scale[part], w.minimum[part], x_scale, x_sums[part], acc);
      }
    }
  }

  /// What the activations of a tile hold for columns 2t, 2t + 1 of the instruction.
  __device__ __forceinline__ static void load_scales(const unsigned char* x_unit, int chunk, int lane, FloatPair& scale,
                                                     FloatPair (&sums)[kParts]) {
    const int t8 = lane % 4 * 8;
    scale = load_pair(x_unit + kQ8Scales + chunk * 32 + t8);
    if constexpr (kFormat.minimums && kParts == 1) {
      sums[0] = load_pair(x_unit + kQ8Sums + chunk * 32 + t8);
    } else if constexpr (kFormat.minimums) {
      LLORCH_UNROLL
      for (int part = 0; part < kParts; ++part)
        sums[part] = load_pair(x_unit + kQ8HalfSums + (chunk * 2 + part) * 32 + t8);
    } else {
      LLORCH_UNROLL
      for (int part = 0; part < kParts; ++part)
        sums[part] = FloatPair{0.0f, 0.0f};
    }
  }

  __device__ __forceinline__ static void copy_x(unsigned char* stage, const unsigned char* x_unit, int lane,
                                                int n_rows) {
    if (lane % 16 < n_rows * 2) {
      LLORCH_UNROLL
      for (int i = 0; i < static_cast<int>(kQ8Scales); i += 512)
        copy_async_16(stage + i + lane * 16, x_unit + i + lane * 16);
    }
    LLORCH_UNROLL
    for (int i = static_cast<int>(kQ8Scales); i < kXUsedBytes; i += 512) {
      if (i + lane * 16 < kXUsedBytes) copy_async_16(stage + i + lane * 16, x_unit + i + lane * 16);
    }
  }

  /// kAll: every one of the kN tiles is live, which needs no branches.
  template <bool kAll, int kTiles, int kN>
  __device__ __forceinline__ static void add_pair(const unsigned char* units, const unsigned char* x_unit, int pair,
                                                  int n_live, int lane, bool live, float (&acc)[kTiles][kN][4]) {
    LLORCH_UNROLL
    for (int c = 0; c < 2; ++c) {
      Chunk w[kTiles];
      LLORCH_UNROLL
      for (int m = 0; m < kTiles; ++m)
        w[m] = take(Block{units + m * kUnitBytes, lane}, pair, c);
      LLORCH_UNROLL
      for (int n = 0; n < kN; ++n) {
        if (!kAll && n >= n_live) break;
        const unsigned char* tile = x_unit + n * kXUsedBytes;
        WordPair x{0, 0};
        if (live) x = load_word_pair(tile + (2 * pair + c) * 256 + lane * 8);
        FloatPair scale;
        FloatPair sums[kParts];
        load_scales(tile, 2 * pair + c, lane, scale, sums);
        LLORCH_UNROLL
        for (int m = 0; m < kTiles; ++m)
          add_chunk(w[m], x, scale, sums, acc[m][n]);
      }
    }
  }

  template <int kTiles, int kN>
  __device__ __forceinline__ static void add(const unsigned char* units, const unsigned char* x_unit, int n_live,
                                             int lane, bool live, float (&acc)[kTiles][kN][4]) {
    if constexpr (kN == 1) {
      LLORCH_UNROLL
      for (int pair = 0; pair < kPairs; ++pair)
        add_pair<true>(units, x_unit, pair, 1, lane, live, acc);
    } else if (n_live >= kN) {
      LLORCH_NO_UNROLL
      for (int pair = 0; pair < kPairs; ++pair)
        add_pair<true>(units, x_unit, pair, kN, lane, live, acc);
    } else {
      LLORCH_NO_UNROLL
      for (int pair = 0; pair < kPairs; ++pair)
        add_pair<false>(units, x_unit, pair, n_live, lane, live, acc);
    }
  }
};

}  // namespace llorch::cuda
