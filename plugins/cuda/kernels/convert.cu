// Activations on their way into products, and RMS norm in the same pass: one block of threads for each row.
#include "cuda/device/kernel.hpp"
#include "cuda/device/launch.hpp"
#include "cuda/kernels/activation_layout.hpp"
#include "cuda/kernels/device_code.hpp"
#include "cuda/kernels/kernels.hpp"

namespace llorch::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / 32;
constexpr int kEach = 4;                    // neighbouring columns of a thread
constexpr int kColumns = kThreads * kEach;  // of all threads

struct RowsToConvert {
  const float* x;
  std::int64_t x_stride;
  const float* weight;  // of the norm; null: none
  float eps;
  float* y;  // null: not wanted
  std::int64_t y_stride;
  unsigned char* out;  // null: not wanted
  ActivationKind kind;
  std::int64_t n_rows, n_cols, padded;
  std::int64_t factor_bytes, tile_bytes;
};

struct Four {
  float v[kEach];
};

__device__ __forceinline__ Four load_four(const float* x, std::int64_t k, std::int64_t n) {
  Four out;
  if (k + kEach <= n) {
    const Words4 words = load_words4(x + k);
    out.v[0] = float_of(words.x);
    out.v[1] = float_of(words.y);
    out.v[2] = float_of(words.z);
    out.v[3] = float_of(words.w);
  } else {
    LLORCH_UNROLL
    for (int i = 0; i < kEach; ++i)
      out.v[i] = k + i < n ? x[k + i] : 0.0f;
  }
  return out;
}

__device__ __forceinline__ void store_four(float* y, std::int64_t k, std::int64_t n, const Four& four) {
  if (k + kEach <= n) {
    store_words4(y + k, {bits_of(four.v[0]), bits_of(four.v[1]), bits_of(four.v[2]), bits_of(four.v[3])});
  } else {
    LLORCH_UNROLL
    for (int i = 0; i < kEach; ++i) {
      if (k + i < n) y[k + i] = four.v[i];
    }
  }
}

/// Sum over all threads in one fixed order: lanes at distance 16, 8, 4, 2, 1, then warps in ascending order.
__device__ __forceinline__ float sum_of_block(float v) {
  float* sums = shared_memory<float>();
  LLORCH_UNROLL
  for (int distance = 16; distance > 0; distance /= 2)
    v = v + shuffle_xor(v, distance);
  if (lane_id() == 0) sums[warp_id()] = v;
  block_sync();
  float sum = sums[0];
  LLORCH_UNROLL
  for (int i = 1; i < kWarps; ++i)
    sum = sum + sums[i];
  block_sync();
  return sum;
}

/// The largest of numbers >= 0 given as their bits, in which NaN is above all others.
__device__ __forceinline__ std::uint32_t larger_bits(std::uint32_t a, std::uint32_t b) {
  return a > b ? a : b;
}
__device__ __forceinline__ std::uint32_t largest_of_block(std::uint32_t v) {
  auto* all = shared_memory<std::uint32_t>();
  LLORCH_UNROLL
  for (int distance = 16; distance > 0; distance /= 2)
    v = larger_bits(v, shuffle_xor(v, distance));
  if (lane_id() == 0) all[warp_id()] = v;
  block_sync();
  std::uint32_t largest = all[0];
  LLORCH_UNROLL
  for (int i = 1; i < kWarps; ++i)
    largest = larger_bits(largest, all[i]);
  block_sync();
  return largest;
}

__device__ __forceinline__ std::uint32_t magnitude(float v) {
  return bits_of(v) & 0x7fffffffu;
}

/// Four columns as int8 codes. The eight lanes of a chunk take part.
__device__ void store_q8(unsigned char* tile, std::int64_t row, std::int64_t k, const Four& x) {
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
  // Not a number where the chunk holds infinities or numbers that are none: so they show in the products.
  const float scale = quantizable ? div_(float_of(largest), 127.0f) : largest < kTiniest ? 0.0f : float_of(0x7fc00000u);
  std::uint32_t codes = 0;
  LLORCH_UNROLL
  for (int i = 0; i < kEach; ++i) {
    // Adding 1.5 * 2^23 leaves the nearest integer in the low bits.
    const std::uint32_t code = quantizable ? bits_of(x.v[i] * inverse + 0x1.8p+23f) & 0xffu : 0u;
    codes |= code << (8 * i);
  }
  std::int32_t half = dot4(codes, 0x01010101u, 0);
  half += shuffle_xor(half, 1);
  half += shuffle_xor(half, 2);
  const std::int32_t sum = half + shuffle_xor(half, 4);

  unsigned char* block = tile + k / kBlockColumns * kQ8Block;
  const std::int64_t chunk = k % kBlockColumns / kChunkColumns;
  const std::int64_t within = k % kChunkColumns;
  const std::int64_t upper = within / 16;
  const std::int64_t at = (chunk * kActivationRows + row) * 32 + within % 16 / 4 * 8 + upper * 4;
  *reinterpret_cast<std::uint32_t*>(block + at) = codes;
  if (within % 16 == 0) {
    auto* half_sums = reinterpret_cast<float*>(block + kQ8HalfSums);
    half_sums[(chunk * 2 + upper) * kActivationRows + row] = scale * static_cast<float>(half);
    if (within == 0) {
      reinterpret_cast<float*>(block + kQ8Scales)[chunk * kActivationRows + row] = scale;
      reinterpret_cast<float*>(block + kQ8Sums)[chunk * kActivationRows + row] = scale * static_cast<float>(sum);
    }
  }
}

/// Eight bytes: four columns in 16 bits each.
__device__ __forceinline__ void store_halves(unsigned char* at, const std::uint16_t (&h)[kEach]) {
  auto* words = reinterpret_cast<std::uint32_t*>(at);
  words[0] = pack_halves(h[0], h[1]);
  words[1] = pack_halves(h[2], h[3]);
}

/// A power of two that brings the largest magnitude into [2^13, 2^14), as its biased exponent: halves then keep 11 bits
/// of what is 2^27 times smaller. Both it and its inverse are normal floats.
__device__ __forceinline__ std::uint32_t factor_exponent(std::uint32_t largest) {
  std::uint32_t exponent = largest >> 23u;
  if (exponent < 14) exponent = 14;
  return exponent == 255 ? 127u : 267u - exponent;
}

/// The columns of this thread, converted, each step of the loop by whole warps. value(k): four columns of the row.
template <class Value>
__device__ __forceinline__ void store_row(const RowsToConvert& a, std::int64_t row, Value value) {
  const std::int64_t tile_row = row % kActivationRows;
  unsigned char* tile = a.out + a.factor_bytes + row / kActivationRows * a.tile_bytes;
  const auto first = static_cast<std::int64_t>(threadIdx.x) * kEach;
  float factor = 1.0f;
  if (a.kind == ActivationKind::kF16) {
    std::uint32_t largest = 0;
    for (std::int64_t k = first; k < a.n_cols; k += kColumns) {
      const Four x = value(k);
      LLORCH_UNROLL
      for (float v : x.v)
        largest = larger_bits(largest, magnitude(v));
    }
    const std::uint32_t exponent = factor_exponent(largest_of_block(largest));
    factor = float_of(exponent << 23u);
    if (threadIdx.x == 0) reinterpret_cast<float*>(a.out)[row] = float_of((254u - exponent) << 23u);
  }
  for (std::int64_t base = 0; base < a.padded; base += kColumns) {
    const std::int64_t k = base + first;
    const bool inside = k < a.padded;
    Four x{};
    if (k < a.n_cols) x = value(k);
    if (a.y != nullptr && k < a.n_cols && row < a.n_rows) store_four(a.y + row * a.y_stride, k, a.n_cols, x);
    if (a.kind == ActivationKind::kQ8) {
      // Padded to 256 columns, two warps: a warp is inside as a whole.
      if (inside) store_q8(tile, tile_row, k, x);
    } else if (!inside) {
      continue;
    } else if (a.kind == ActivationKind::kF32) {
      store_four(reinterpret_cast<float*>(tile) + tile_row * a.padded, k, a.padded, x);
    } else {
      std::uint16_t upper[kEach];
      std::uint16_t lower[kEach];
      const bool two = a.kind == ActivationKind::kBf16;
      LLORCH_UNROLL
      for (int i = 0; i < kEach; ++i) {
        upper[i] = two ? float_to_bfloat(x.v[i]) : float_to_half(x.v[i] * factor);
        lower[i] = two ? float_to_bfloat(x.v[i] - bfloat_to_float(upper[i])) : std::uint16_t{0};
      }
      const std::int64_t parts = two ? 2 : 1;
      unsigned char* chunk = tile + k / kChunkColumns * parts * kActivationRows * kChunkColumns * 2;
      unsigned char* at = chunk + tile_row * kChunkColumns * 2 + k % kChunkColumns * 2;
      store_halves(at, upper);
      if (two) store_halves(at + kActivationRows * kChunkColumns * 2, lower);
    }
  }
}

__global__ void __launch_bounds__(kThreads) convert_rows(RowsToConvert a) {
  wait_its_turn();
  const auto row = static_cast<std::int64_t>(blockIdx.x);
  const float* x = a.x + row * a.x_stride;
  const bool real = row < a.n_rows;  // else a row that pads the last tile
  if (a.weight == nullptr) {
    store_row(a, row, [&](std::int64_t k) { return real ? load_four(x, k, a.n_cols) : Four{}; });
    return;
  }
  float squares = 0.0f;
  if (real) {
    for (std::int64_t k = static_cast<std::int64_t>(threadIdx.x) * kEach; k < a.n_cols; k += kColumns) {
      const Four four = load_four(x, k, a.n_cols);
      LLORCH_UNROLL
      for (float v : four.v)
        squares = fma_(v, v, squares);
    }
  }
  const float mean = div_(sum_of_block(squares), static_cast<float>(a.n_cols));
  const float scale = div_(1.0f, sqrt_(mean + a.eps));
  const auto normed = [&](std::int64_t k) {
    if (!real) return Four{};
    Four four = load_four(x, k, a.n_cols);
    const Four weight = load_four(a.weight, k, a.n_cols);
    LLORCH_UNROLL
    for (int i = 0; i < kEach; ++i)
      four.v[i] = four.v[i] * scale * weight.v[i];
    return four;
  };
  if (a.out != nullptr) {
    store_row(a, row, normed);
  } else {
    for (std::int64_t k = static_cast<std::int64_t>(threadIdx.x) * kEach; k < a.n_cols; k += kColumns)
      store_four(a.y + row * a.y_stride, k, a.n_cols, normed(k));
  }
}

void run(Stream& stream, const char* name, const RowsView& x, const float* weight, float eps, const RowsView& y,
         const ActivationView* out) {
  if (x.n_rows == 0) return;
  RowsToConvert a{};
  a.x = x.data;
  a.x_stride = x.stride;
  a.weight = weight;
  a.eps = eps;
  a.y = y.data;
  a.y_stride = y.stride;
  a.n_rows = x.n_rows;
  a.n_cols = x.n_cols;
  std::int64_t rows = x.n_rows;
  if (out != nullptr) {
    a.out = static_cast<unsigned char*>(out->data);
    a.kind = out->kind;
    a.padded = padded_columns(out->kind, x.n_cols);
    a.factor_bytes = factor_bytes(out->kind, out->capacity);
    a.tile_bytes = activation_tile_bytes(out->kind, x.n_cols);
    rows = divide_up(rows, kActivationRows) * kActivationRows;
  }
  launch(stream, name, convert_rows, {static_cast<unsigned>(rows)}, {kThreads}, kWarps * sizeof(float), a);
}

}  // namespace

ActivationKind activation_kind(WeightType type) {
  switch (type) {
    case WeightType::kF32:
      return ActivationKind::kF32;
    case WeightType::kF16:
      return ActivationKind::kF16;
    case WeightType::kBf16:
      return ActivationKind::kBf16;
    default:
      return ActivationKind::kQ8;
  }
}

std::uint64_t activation_bytes(ActivationKind kind, std::int64_t capacity, std::int64_t n_cols) {
  const std::int64_t tiles = divide_up(capacity, kActivationRows);
  return static_cast<std::uint64_t>(factor_bytes(kind, capacity) + tiles * activation_tile_bytes(kind, n_cols));
}

void convert(Stream& stream, const RowsView& x, const ActivationView& out) {
  run(stream, "convert", x, nullptr, 0.0f, RowsView{}, &out);
}

void rms_norm(Stream& stream, const RowsView& x, const float* weight, float eps, const RowsView& y,
              const ActivationView* out) {
  run(stream, "rms_norm", x, weight, eps, y, out);
}

}  // namespace llorch::cuda
