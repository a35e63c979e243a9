// Columns in registers on their way into the forms that products take (activation_layout.hpp). A thread has groups of
// four neighbouring columns.
#pragma once

#include "cuda/device/kernel.hpp"
#include "cuda/kernels/activation_layout.hpp"
#include "cuda/kernels/device_code.hpp"

namespace llorch::cuda {

inline constexpr int kEach = 4;  // columns of a group

struct Four {
  float v[kEach];
};

/// Groups first, first + step, ... of a row of n columns; zero from column n on. Every load is on its way before the
/// first one is waited for: what lies between them is predicated, and the columns behind the last whole group of four
/// come afterwards.
template <int kGroups>
__device__ __forceinline__ void load_groups(const float* x, int first, int step, int n, Four (&out)[kGroups]) {
  Words4 words[kGroups];
  LLORCH_UNROLL
  for (int g = 0; g < kGroups; ++g) {
    words[g] = Words4{0, 0, 0, 0};
    if (first + g * step + kEach <= n) words[g] = load_words4(x + first + g * step);
  }
  LLORCH_UNROLL
  for (int g = 0; g < kGroups; ++g) {
    out[g].v[0] = float_of(words[g].x);
    out[g].v[1] = float_of(words[g].y);
    out[g].v[2] = float_of(words[g].z);
    out[g].v[3] = float_of(words[g].w);
  }
  if (n % kEach == 0) return;
  LLORCH_UNROLL
  for (int g = 0; g < kGroups; ++g) {
    const int k = first + g * step;
    if (k >= n || k + kEach <= n) continue;
    LLORCH_UNROLL
    for (int i = 0; i < kEach - 1; ++i) {
      if (k + i < n) out[g].v[i] = x[k + i];
    }
  }
}

__device__ __forceinline__ void store_four(float* y, int k, int n, const Four& four) {
  if (k + kEach <= n) {
    store_words4(y + k, {bits_of(four.v[0]), bits_of(four.v[1]), bits_of(four.v[2]), bits_of(four.v[3])});
  } else {
    LLORCH_UNROLL
    for (int i = 0; i < kEach; ++i) {
      if (k + i < n) y[k + i] = four.v[i];
    }
  }
}

/// The largest of numbers >= 0 given as their bits, in which NaN is above all others.
__device__ __forceinline__ std::uint32_t larger_bits(std::uint32_t a, std::uint32_t b) {
  return a > b ? a : b;
}
__device__ __forceinline__ std::uint32_t magnitude(float v) {
  return bits_of(v) & 0x7fffffffu;
}

// ---- int8 codes -----------------------------------------------------------------------------------------------------

/// Four columns as int8 codes, and what the eight lanes of their chunk know together.
struct Codes {
  std::uint32_t codes = 0;
  float scale = 0.0f;
  std::int32_t half = 0, sum = 0;  // of the codes of this half of the chunk, of all of it
};

/// Lanes 8i .. 8i + 7 have the columns of a chunk, in ascending order; the whole warp takes part.
__device__ __forceinline__ Codes quantize(const Four& x) {
  constexpr std::uint32_t kInfinity = 0x7f800000u;
  constexpr std::uint32_t kTiniest = 0x0d800000u;  // 2^-100: a chunk below is zero
  std::uint32_t largest = 0;
  LLORCH_UNROLL
  for (float v : x.v)
    largest = larger_bits(largest, magnitude(v));
  LLORCH_UNROLL
  for (int distance = 1; distance < 8; distance *= 2)
    largest = larger_bits(largest, shuffle_xor(largest, distance));
  const bool quantizable = largest >= kTiniest && largest < kInfinity;
  const float inverse = quantizable ? div_(127.0f, float_of(largest)) : 0.0f;
  Codes out;
  // Not a number where the chunk holds infinities or numbers that are none: so they show in the products.
  out.scale = quantizable ? div_(float_of(largest), 127.0f) : largest < kTiniest ? 0.0f : float_of(0x7fc00000u);
  LLORCH_UNROLL
  for (int i = 0; i < kEach; ++i) {
    // Adding 1.5 * 2^23 leaves the nearest integer in the low bits.
    const std::uint32_t code = quantizable ? bits_of(x.v[i] * inverse + 0x1.8p+23f) & 0xffu : 0u;
    out.codes |= code << (8 * i);
  }
  out.half = dot4(out.codes, 0x01010101u, 0);
  out.half += shuffle_xor(out.half, 1);
  out.half += shuffle_xor(out.half, 2);
  out.sum = out.half + shuffle_xor(out.half, 4);
  return out;
}

/// Columns k .. k + 3 of a row of the tile. padding: the rows of the tile from here on have no threads of their own,
/// and this row's threads clear what products read of them, scales and sums; kActivationRows: none.
__device__ __forceinline__ void store_codes(unsigned char* tile, int row, int padding, int k, const Codes& x) {
  constexpr int kRows = static_cast<int>(kActivationRows);
  unsigned char* block = tile + k / static_cast<int>(kBlockColumns) * kQ8Block;
  const int chunk = k % static_cast<int>(kBlockColumns) / static_cast<int>(kChunkColumns);
  const int within = k % static_cast<int>(kChunkColumns);
  const int upper = within / 16;
  *reinterpret_cast<std::uint32_t*>(block + (chunk * kRows + row) * 32 + within % 16 / 4 * 8 + upper * 4) = x.codes;
  auto* scales = reinterpret_cast<float*>(block + kQ8Scales) + chunk * kRows;
  auto* sums = reinterpret_cast<float*>(block + kQ8Sums) + chunk * kRows;
  auto* half_sums = reinterpret_cast<float*>(block + kQ8HalfSums) + chunk * 2 * kRows;
  if (within % 16 == 0) {
    half_sums[upper * kRows + row] = x.scale * static_cast<float>(x.half);
    if (within == 0) {
      scales[row] = x.scale;
      sums[row] = x.scale * static_cast<float>(x.sum);
    }
  }
  const int cleared = within / kEach;  // each of the eight lanes has a row
  if (cleared >= padding) {
    scales[cleared] = 0.0f;
    sums[cleared] = 0.0f;
    half_sums[cleared] = 0.0f;
    half_sums[kRows + cleared] = 0.0f;
  }
}

// ---- every kind -----------------------------------------------------------------------------------------------------

/// Where a row goes.
struct ActivationRow {
  unsigned char* tile;
  int row;      // of the tile
  int padding;  // as store_codes() has it
  int padded;   // columns, with those that fill the last unit
  ActivationKind kind;
};

/// Eight bytes: four columns in 16 bits each.
__device__ __forceinline__ void store_halves(unsigned char* at, const std::uint16_t (&h)[kEach]) {
  *reinterpret_cast<WordPair*>(at) = WordPair{pack_halves(h[0], h[1]), pack_halves(h[2], h[3])};
}

/// Groups first, first + step, ... of a row, converted. All threads of a warp take part; what lies behind the padded
/// columns is left out. factor: of F16.
template <int kGroups>
__device__ __forceinline__ void store_groups(const ActivationRow& to, int first, int step, const Four (&x)[kGroups],
                                             float factor) {
  constexpr int kHalfChunk = static_cast<int>(kActivationRows * kChunkColumns * 2);  // bytes of a tile's chunk
  const auto chunk_of = [](int k) { return k / static_cast<int>(kChunkColumns); };
  const auto within = [](int k) { return k % static_cast<int>(kChunkColumns); };
  switch (to.kind) {
    case ActivationKind::kF32: {
      auto* y = reinterpret_cast<float*>(to.tile) + to.row * std::int64_t{to.padded};
      LLORCH_UNROLL
      for (int g = 0; g < kGroups; ++g)
        store_four(y, first + g * step, to.padded, x[g]);
      return;
    }
    case ActivationKind::kF16: {
      unsigned char* row = to.tile + to.row * kChunkColumns * 2;
      LLORCH_UNROLL
      for (int g = 0; g < kGroups; ++g) {
        const int k = first + g * step;
        std::uint16_t halves[kEach];
        LLORCH_UNROLL
        for (int i = 0; i < kEach; ++i)
          halves[i] = float_to_half(x[g].v[i] * factor);
        if (k < to.padded) store_halves(row + chunk_of(k) * kHalfChunk + within(k) * 2, halves);
      }
      return;
    }
    case ActivationKind::kBf16: {
      unsigned char* row = to.tile + to.row * kChunkColumns * 2;
      LLORCH_UNROLL
      for (int g = 0; g < kGroups; ++g) {
        const int k = first + g * step;
        std::uint16_t upper[kEach];
        std::uint16_t lower[kEach];
        LLORCH_UNROLL
        for (int i = 0; i < kEach; ++i) {
          upper[i] = float_to_bfloat(x[g].v[i]);
          lower[i] = float_to_bfloat(x[g].v[i] - bfloat_to_float(upper[i]));
        }
        if (k >= to.padded) continue;
        unsigned char* at = row + chunk_of(k) * 2 * kHalfChunk + within(k) * 2;
        store_halves(at, upper);
        store_halves(at + kHalfChunk, lower);
      }
      return;
    }
    case ActivationKind::kQ8: {
      LLORCH_UNROLL
      for (int g = 0; g < kGroups; ++g) {
        const Codes codes = quantize(x[g]);
        const int k = first + g * step;
        if (k < to.padded) store_codes(to.tile, to.row, to.padding, k, codes);
      }
      return;
    }
  }
}

}  // namespace llorch::cuda
