// Activations on their way into products, and RMS norm in the same pass. A row is read once and held in registers
// wherever its width allows.
#include "cuda/device/launch.hpp"
#include "cuda/kernels/activation_store.cuh"
#include "cuda/kernels/kernels.hpp"

namespace llorch::cuda {
namespace {

struct RowsToConvert {
  const float* x;
  std::int64_t x_stride;
  const float* weight;  // of the norm; null: none
  float eps;
  float* y;  // null: not wanted
  std::int64_t y_stride;
  unsigned char* out;  // null: not wanted
  ActivationKind kind;
  std::int32_t n_rows, n_cols, padded;
  bool clears;  // the last row clears what is read of the rows that pad its tile: they have no blocks
  std::int64_t factor_bytes, tile_bytes;
};

/// Columns that `threads` threads have in a group each.
LLORCH_HOST_DEVICE constexpr int columns_of(int threads) {
  return threads * kEach;
}

// A norm's sum of squares is that of 256 threads, whatever the kernel.
constexpr int kNormThreads = 256;
constexpr int kNormStep = columns_of(kNormThreads);
constexpr int kMostNormGroups = 8;
// Of columns that know nothing of the rest of their row.
constexpr int kColumnThreads = 128;
constexpr int kColumnStep = columns_of(kColumnThreads);
// Of rows that have a factor: as many as a block has where there are few rows.
constexpr int kRowThreads = 1024;
constexpr int kRowStep = columns_of(kRowThreads);
constexpr int kMostRowGroups = 4;
// Of rows of any width, read more than once.
constexpr int kWideGroups = 4;

constexpr int kMostWarps = kRowThreads / 32;
/// Where the warps of a block meet. Each is used once in a kernel, so that nobody waits for those who still read.
struct Meeting {
  float sums[kNormThreads / 32];
  std::uint32_t largest[kMostWarps];
};

__device__ __forceinline__ int thread_column() {
  return static_cast<int>(threadIdx.x) * kEach;
}

/// Sum over 256 threads in one fixed order: lanes at distance 16, 8, 4, 2, 1, then warps in ascending order.
__device__ __forceinline__ float sum_of_block(float v) {
  float(&sums)[kNormThreads / 32] = shared_memory<Meeting>()->sums;
  LLORCH_UNROLL
  for (int distance = 16; distance > 0; distance /= 2)
    v = v + shuffle_xor(v, distance);
  if (lane_id() == 0) sums[warp_id()] = v;
  block_sync();
  float sum = sums[0];
  LLORCH_UNROLL
  for (int i = 1; i < kNormThreads / 32; ++i)
    sum = sum + sums[i];
  return sum;
}

template <int kThreads>
__device__ __forceinline__ std::uint32_t largest_of_block(std::uint32_t v) {
  std::uint32_t(&all)[kMostWarps] = shared_memory<Meeting>()->largest;
  LLORCH_UNROLL
  for (int distance = 16; distance > 0; distance /= 2)
    v = larger_bits(v, shuffle_xor(v, distance));
  if (lane_id() == 0) all[warp_id()] = v;
  block_sync();
  std::uint32_t largest = all[0];
  LLORCH_UNROLL
  for (int i = 1; i < kThreads / 32; ++i)
    largest = larger_bits(largest, all[i]);
  return largest;
}

template <int kGroups>
__device__ __forceinline__ std::uint32_t largest_magnitude(const Four (&x)[kGroups], std::uint32_t largest) {
  LLORCH_UNROLL
  for (const Four& four : x) {
    LLORCH_UNROLL
    for (float v : four.v)
      largest = larger_bits(largest, magnitude(v));
  }
  return largest;
}

/// What a row is multiplied by on its way to f16: a power of two that brings its largest magnitude into [2^13, 2^14):
/// halves then keep 11 bits of what is 2^27 times smaller. Both it and its inverse, which the product takes, are normal
/// floats.
template <int kThreads>
__device__ __forceinline__ float row_factor(const RowsToConvert& a, int row, std::uint32_t largest_of_thread) {
  std::uint32_t exponent = largest_of_block<kThreads>(largest_of_thread) >> 23u;
  if (exponent < 14) exponent = 14;
  const std::uint32_t power = exponent == 255 ? 127u : 267u - exponent;
  if (threadIdx.x == 0) reinterpret_cast<float*>(a.out)[row] = float_of((254u - power) << 23u);
  return float_of(power << 23u);
}

__device__ __forceinline__ const float* row_of(const RowsToConvert& a, int row) {
  return a.x + row * a.x_stride;
}
/// None in a row that pads the last tile.
__device__ __forceinline__ int columns_of_row(const RowsToConvert& a, int row) {
  return row < a.n_rows ? a.n_cols : 0;
}
__device__ __forceinline__ ActivationRow target_of(const RowsToConvert& a, int row) {
  constexpr int kRows = static_cast<int>(kActivationRows);
  const int tile_row = row % kRows;
  return {a.out + a.factor_bytes + row / kRows * a.tile_bytes, tile_row,
          a.clears && row + 1 == a.n_rows ? tile_row + 1 : kRows, a.padded, a.kind};
}

/// Columns are converted without knowing the rest of their row: several blocks for a row.
template <int kGroups>
__global__ void __launch_bounds__(kColumnThreads) convert_columns(RowsToConvert a) {
  wait_its_turn();
  const auto row = static_cast<int>(blockIdx.x);
  const int first = static_cast<int>(blockIdx.y) * kGroups * kColumnStep + thread_column();
  Four x[kGroups];
  load_groups(row_of(a, row), first, kColumnStep, columns_of_row(a, row), x);
  store_groups(target_of(a, row), first, kColumnStep, x, 1.0f);
}

/// F16: a row has a factor.
template <int kThreads, int kGroups>
__global__ void __launch_bounds__(kThreads) convert_row(RowsToConvert a) {
  wait_its_turn();
  const auto row = static_cast<int>(blockIdx.x);
  constexpr int kStep = columns_of(kThreads);
  Four x[kGroups];
  load_groups(row_of(a, row), thread_column(), kStep, columns_of_row(a, row), x);
  const float factor = row_factor<kThreads>(a, row, largest_magnitude(x, 0));
  ActivationRow to = target_of(a, row);
  to.kind = ActivationKind::kF16;
  store_groups(to, thread_column(), kStep, x, factor);
}

/// Continues the sum of squares of this thread.
template <int kGroups>
__device__ __forceinline__ float add_squares(const Four (&x)[kGroups], float sum) {
  LLORCH_UNROLL
  for (const Four& four : x) {
    LLORCH_UNROLL
    for (float v : four.v)
      sum = fma_(v, v, sum);
  }
  return sum;
}
/// What all columns of a row are multiplied by.
__device__ __forceinline__ float norm_scale(const RowsToConvert& a, float squares_of_thread) {
  const float mean = div_(sum_of_block(squares_of_thread), static_cast<float>(a.n_cols));
  return div_(1.0f, sqrt_(mean + a.eps));
}
/// x becomes x * scale * weight; what lies behind n columns stays zero.
template <int kGroups>
__device__ __forceinline__ void apply_norm(int first, int step, int n, float scale, const Four (&weight)[kGroups],
                                           Four (&x)[kGroups]) {
  LLORCH_UNROLL
  for (int g = 0; g < kGroups; ++g) {
    LLORCH_UNROLL
    for (int i = 0; i < kEach; ++i)
      x[g].v[i] = first + g * step < n ? x[g].v[i] * scale * weight[g].v[i] : 0.0f;
  }
}
template <int kGroups>
__device__ __forceinline__ void store_floats(const RowsToConvert& a, int row, int first, int step, int n,
                                             const Four (&x)[kGroups]) {
  if (a.y == nullptr) return;
  LLORCH_UNROLL
  for (int g = 0; g < kGroups; ++g)
    store_four(a.y + row * a.y_stride, first + g * step, n, x[g]);
}

/// kOwn: the groups that a block converts, all of the row's or one. In the second case a row has a block for each, and
/// every one of them sums up the whole row; F16, whose factor wants all of them, and y, which may be x, are not
/// converted so.
template <int kGroups, int kOwn>
__global__ void __launch_bounds__(kNormThreads) norm_row(RowsToConvert a) {
  constexpr bool kApart = kOwn < kGroups;
  const auto row = static_cast<int>(blockIdx.x);
  const int n = columns_of_row(a, row);
  const int own = kApart ? static_cast<int>(blockIdx.y) : 0;
  const int first = own * kNormStep + thread_column();
  // No kernel writes weights: they are asked for before the kernel in front is waited for.
  let_next_start();
  Four weight[kOwn];
  load_groups(a.weight, first, kNormStep, n, weight);
  wait_for_previous();
  Four x[kGroups];
  load_groups(row_of(a, row), thread_column(), kNormStep, n, x);
  const float scale = norm_scale(a, add_squares(x, 0.0f));
  Four out[kOwn];
  LLORCH_UNROLL
  for (int g = 0; g < kGroups; ++g) {
    if (!kApart || g == own) out[kApart ? 0 : g] = x[g];
  }
  apply_norm(first, kNormStep, n, scale, weight, out);
  if constexpr (!kApart) store_floats(a, row, first, kNormStep, n, out);
  if (a.out == nullptr) return;
  float factor = 1.0f;
  if (!kApart && a.kind == ActivationKind::kF16) factor = row_factor<kNormThreads>(a, row, largest_magnitude(out, 0));
  store_groups(target_of(a, row), first, kNormStep, out, factor);
}

/// Rows of any width: what is needed twice is read twice.
template <bool kNorm>
__global__ void __launch_bounds__(kNorm ? kNormThreads : kRowThreads) convert_wide(RowsToConvert a) {
  wait_its_turn();
  constexpr int kThreads = kNorm ? kNormThreads : kRowThreads;
  constexpr int kStep = columns_of(kThreads);
  constexpr int kTurn = kWideGroups * kStep;
  const auto row = static_cast<int>(blockIdx.x);
  const int n = columns_of_row(a, row);
  const float* x = row_of(a, row);
  float scale = 1.0f;
  if constexpr (kNorm) {
    float squares = 0.0f;
    for (int k = thread_column(); k < n; k += kTurn) {
      Four four[kWideGroups];
      load_groups(x, k, kStep, n, four);
      squares = add_squares(four, squares);
    }
    scale = norm_scale(a, squares);
  }
  const auto load = [&](int k, Four(&four)[kWideGroups]) {
    load_groups(x, k, kStep, n, four);
    if constexpr (kNorm) {
      Four weight[kWideGroups];
      load_groups(a.weight, k, kStep, n, weight);
      apply_norm(k, kStep, n, scale, weight, four);
    }
  };
  float factor = 1.0f;
  if (a.out != nullptr && a.kind == ActivationKind::kF16) {
    std::uint32_t largest = 0;
    for (int k = thread_column(); k < n; k += kTurn) {
      Four four[kWideGroups];
      load(k, four);
      largest = largest_magnitude(four, largest);
    }
    factor = row_factor<kThreads>(a, row, largest);
  }
  const int end = a.out == nullptr ? n : a.padded;
  for (int base = 0; base < end; base += kTurn) {  // by whole warps
    const int k = base + thread_column();
    Four four[kWideGroups];
    load(k, four);
    store_floats(a, row, k, kStep, n, four);
    if (a.out != nullptr) store_groups(target_of(a, row), k, kStep, four, factor);
  }
}

// ---- which kernel ---------------------------------------------------------------------------------------------------

struct Chosen {
  void (*kernel)(RowsToConvert);
  int threads;
  int blocks;  // for a row
};

int blocks_of(int columns, int columns_of_block) {
  return (columns + columns_of_block - 1) / columns_of_block;
}

template <bool kApart>
Chosen norm_kernel(int groups) {
  const int blocks = kApart ? groups : 1;
  if (groups > kMostNormGroups) return {convert_wide<true>, kNormThreads, 1};
  if (groups > 4) return {norm_row<8, (kApart ? 1 : 8)>, kNormThreads, blocks};
  if (groups > 2) return {norm_row<4, (kApart ? 1 : 4)>, kNormThreads, blocks};
  if (groups > 1) return {norm_row<2, (kApart ? 1 : 2)>, kNormThreads, blocks};
  return {norm_row<1, 1>, kNormThreads, 1};
}

/// Few rows: their threads are all that run, so that each has as few columns as may be. Many rows fill the device by
/// themselves: blocks are small.
Chosen row_kernel(int columns, bool few) {
  const int groups = blocks_of(columns, kRowStep);
  if (groups > kMostRowGroups) return {convert_wide<false>, kRowThreads, 1};
  if (few || groups > 2) {
    switch (groups) {
      case 1:
        return {convert_row<kRowThreads, 1>, kRowThreads, 1};
      case 2:
        return {convert_row<kRowThreads, 2>, kRowThreads, 1};
      case 3:
        return {convert_row<kRowThreads, 3>, kRowThreads, 1};
      default:
        return {convert_row<kRowThreads, 4>, kRowThreads, 1};
    }
  }
  constexpr int kThreads = 256;
  if (groups > 1) return {convert_row<kThreads, 8>, kThreads, 1};
  return {convert_row<kThreads, 4>, kThreads, 1};
}

Chosen choose(const RowsToConvert& a, bool few) {
  const int columns = a.out == nullptr ? a.n_cols : a.padded;
  const bool factor = a.out != nullptr && a.kind == ActivationKind::kF16;
  if (a.weight != nullptr) {
    const int groups = blocks_of(columns, kNormStep);
    return few && a.out != nullptr && a.y == nullptr && !factor ? norm_kernel<true>(groups)
                                                                : norm_kernel<false>(groups);
  }
  if (factor) return row_kernel(columns, few);
  if (few) return {convert_columns<1>, kColumnThreads, blocks_of(columns, kColumnStep)};
  return {convert_columns<4>, kColumnThreads, blocks_of(columns, 4 * kColumnStep)};
}

void run(Stream& stream, const char* name, const RowsView& x, const float* weight, float eps, const RowsView& y,
         const ActivationView* out) {
  if (x.n_rows == 0) return;
  const bool few = x.n_rows <= kDecodeRows;
  RowsToConvert a{};
  a.x = x.data;
  a.x_stride = x.stride;
  a.weight = weight;
  a.eps = eps;
  a.y = y.data;
  a.y_stride = y.stride;
  a.n_rows = static_cast<std::int32_t>(x.n_rows);
  a.n_cols = static_cast<std::int32_t>(x.n_cols);
  std::int64_t rows = x.n_rows;
  if (out != nullptr) {
    a.out = static_cast<unsigned char*>(out->data);
    a.kind = out->kind;
    a.padded = static_cast<std::int32_t>(padded_columns(out->kind, x.n_cols));
    a.factor_bytes = factor_bytes(out->kind, out->capacity);
    a.tile_bytes = activation_tile_bytes(out->kind, x.n_cols);
    a.clears = few;
    // The products of few rows read no others but scales and sums.
    if (!few) rows = divide_up(rows, kActivationRows) * kActivationRows;
  }
  const Chosen chosen = choose(a, few);
  launch(stream, name, chosen.kernel, {static_cast<unsigned>(rows), static_cast<unsigned>(chosen.blocks)},
         {static_cast<unsigned>(chosen.threads)}, sizeof(Meeting), a);
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
