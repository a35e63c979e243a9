// Products with F32 weights: fma in f32, no tensor cores. A lane has one row of the matrix; every sum runs over
// ascending columns within a segment.
#include "cuda/device/launch.hpp"
#include "cuda/kernels/activation_layout.hpp"
#include "cuda/kernels/matmul_tiles.cuh"

namespace llorch::cuda {
namespace {

constexpr int kGroup = static_cast<int>(kFloatGroupRows);
constexpr int kSteps = static_cast<int>(kFloatColumns) / 4;  // of a unit
constexpr int kDecode = static_cast<int>(kDecodeRows);
constexpr int kPrefillWarps = 4;

/// acc[i] += columns [begin, end) units of a row of the matrix times row i of x, i < n.
template <int kRows>
__device__ __forceinline__ void add_units(const unsigned char* group, const float* x, std::int64_t x_stride, int begin,
                                          int end, int n, float (&acc)[kRows]) {
  LLORCH_NO_UNROLL
  for (int unit = begin; unit < end; ++unit) {
    Words4 w[kSteps];
    LLORCH_UNROLL
    for (int s = 0; s < kSteps; ++s)
      w[s] = load_once(group + ((std::int64_t{unit} * kSteps + s) * kGroup + lane_id()) * 16);
    LLORCH_UNROLL
    for (int s = 0; s < kSteps; ++s) {
      LLORCH_UNROLL
      for (int i = 0; i < kRows; ++i) {
        if (i >= n) break;
        const Words4 v = load_words4(x + i * x_stride + (std::int64_t{unit} * kSteps + s) * 4);
        acc[i] = fma_(float_of(w[s].x), float_of(v.x), acc[i]);
        acc[i] = fma_(float_of(w[s].y), float_of(v.y), acc[i]);
        acc[i] = fma_(float_of(w[s].z), float_of(v.z), acc[i]);
        acc[i] = fma_(float_of(w[s].w), float_of(v.w), acc[i]);
      }
    }
  }
}

template <int kMatrices>
__global__ void __launch_bounds__(kMostSegments * 32 * kMatrices) decode_floats(MatmulParams p) {
  wait_its_turn();
  auto* partial = shared_memory<float>();  // (matrix, segment, row of x, lane)
  const int segment = warp_id() % p.n_segments;
  int group = static_cast<int>(blockIdx.x);
  MatmulTarget target{};
  if constexpr (kMatrices == 1) {
    target = find_target(p, 1, group);
  } else {
    target = warp_id() < p.n_segments ? p.targets[0] : p.targets[1];
  }
  float acc[kDecode] = {};
  add_units(target.weights + group * p.tile_bytes, reinterpret_cast<const float*>(p.x),
            p.x_tile_bytes / (kActivationRows * 4), segment_begin(p.n_units, segment, p.n_segments),
            segment_begin(p.n_units, segment + 1, p.n_segments), p.n_rows, acc);
  LLORCH_UNROLL
  for (int i = 0; i < kDecode; ++i)
    partial[(warp_id() * kDecode + i) * kGroup + lane_id()] = acc[i];
  block_sync();
  for (int i = static_cast<int>(threadIdx.x); i < kDecode * kGroup; i += static_cast<int>(blockDim.x)) {
    const int row = group * kGroup + i % kGroup;
    const int column = i / kGroup;
    if (column >= p.n_rows || row >= target.n_rows) continue;
    float total[kMatrices];
    LLORCH_UNROLL
    for (int m = 0; m < kMatrices; ++m) {
      const float* of_matrix = partial + m * p.n_segments * kDecode * kGroup + i;
      total[m] = of_matrix[0];
      for (int s = 1; s < p.n_segments; ++s)
        total[m] = total[m] + of_matrix[s * kDecode * kGroup];
    }
    if constexpr (kMatrices == 1) {
      store_product(p, target, row, column, total[0]);
    } else {
      store_product(p, p.targets[0], row, column, silu(total[0]) * total[1]);
    }
  }
}

/// A warp has 32 rows of the matrix and kRows rows of activations.
template <int kMatrices, int kRows>
__global__ void __launch_bounds__(kPrefillWarps * 32) prefill_floats(MatmulParams p) {
  wait_its_turn();
  int group = static_cast<int>(blockIdx.y) * kPrefillWarps + warp_id();
  MatmulTarget target = p.targets[0];
  if constexpr (kMatrices == 1) target = find_target(p, 1, group);
  if (group >= target.n_tiles) return;
  const int first = static_cast<int>(blockIdx.x) * kRows;
  const int n = smaller(kRows, p.n_rows - first);
  const std::int64_t x_stride = p.x_tile_bytes / (kActivationRows * 4);
  const float* x = reinterpret_cast<const float*>(p.x) + first * x_stride;
  float total[kMatrices][kRows] = {};
  LLORCH_UNROLL
  for (int m = 0; m < kMatrices; ++m) {
    const unsigned char* weights = (m == 0 ? target : p.targets[1]).weights + group * p.tile_bytes;
    LLORCH_NO_UNROLL
    for (int segment = 0; segment < p.n_segments; ++segment) {
      float acc[kRows] = {};
      add_units(weights, x, x_stride, segment_begin(p.n_units, segment, p.n_segments),
                segment_begin(p.n_units, segment + 1, p.n_segments), n, acc);
      LLORCH_UNROLL
      for (int i = 0; i < kRows; ++i)
        total[m][i] = segment == 0 ? acc[i] : total[m][i] + acc[i];
    }
  }
  const int row = group * kGroup + lane_id();
  if (row >= target.n_rows) return;
  LLORCH_UNROLL
  for (int i = 0; i < kRows; ++i) {
    if (i >= n) break;
    if constexpr (kMatrices == 1) {
      store_product(p, target, row, first + i, total[0][i]);
    } else {
      store_product(p, target, row, first + i, silu(total[0][i]) * total[1][i]);
    }
  }
}

}  // namespace

void matmul_f32(Stream& stream, const MatmulParams& p) {
  constexpr const char* kName = "matmul_f32";
  int n_groups = 0;
  for (int i = 0; i < p.n_targets; ++i)
    n_groups += p.targets[i].n_tiles;
  if (p.gated) n_groups = p.targets[0].n_tiles;
  if (p.n_rows <= kDecodeRows) {
    const auto threads = static_cast<unsigned>(p.n_segments * 32 * (p.gated ? 2 : 1));
    launch(stream, kName, p.gated ? decode_floats<2> : decode_floats<1>, {static_cast<unsigned>(n_groups)}, {threads},
           threads * kDecode * sizeof(float), p);
    return;
  }
  constexpr int kRows = 16;
  const Dim grid = {static_cast<unsigned>((p.n_rows + kRows - 1) / kRows),
                    static_cast<unsigned>((n_groups + kPrefillWarps - 1) / kPrefillWarps)};
  launch(stream, kName, p.gated ? prefill_floats<2, kRows> : prefill_floats<1, kRows>, grid, {kPrefillWarps * 32}, 0,
         p);
}

}  // namespace llorch::cuda
