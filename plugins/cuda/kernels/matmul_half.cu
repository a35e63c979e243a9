// Products with F16 weights (activations in f16, times a power of two) and BF16 weights (activations as two bf16).
#include "cuda/kernels/matmul_tiles.cuh"

namespace llorch::cuda {
namespace {

template <bool kBf16>
struct HalfFamily {
  static constexpr int kUnitBytes = static_cast<int>(kTileRows * kHalfColumns * 2);
  static constexpr int kXUnitBytes = static_cast<int>(kBf16 ? kBf16Unit : kF16Unit);
  static constexpr int kXUsedBytes = kXUnitBytes;
  static constexpr int kDecodeStages = 4;
  static constexpr int kXTilesOfWarp = 8;
  static constexpr int kColumnWarps = 2;
  static constexpr int kParts = kBf16 ? 2 : 1;

  __device__ __forceinline__ static void copy_x(unsigned char* stage, const unsigned char* x_unit, int lane,
                                                int n_rows) {
    if (lane >= n_rows * 4) return;
    LLORCH_UNROLL
    for (int i = 0; i < kXUnitBytes; i += 512)
      copy_async_16(stage + i + lane * 16, x_unit + i + lane * 16);
  }

  __device__ __forceinline__ static void multiply(float (&acc)[4], const Words4& a, std::uint32_t b0,
                                                  std::uint32_t b1) {
    const std::uint32_t weights[4] = {a.x, a.y, a.z, a.w};
    const std::uint32_t x[2] = {b0, b1};
    if constexpr (kBf16) {
      mma_bf16(acc, weights, x);
    } else {
      mma_f16(acc, weights, x);
    }
  }
  /// Step 0 or 1 of a chunk; x: the lane's activations of the chunk, the upper and, of BF16, the lower parts.
  __device__ __forceinline__ static void step(float (&acc)[4], const Words4& a, const Words4 (&x)[kParts], int which) {
    LLORCH_UNROLL
    for (int part = 0; part < kParts; ++part)
      multiply(acc, a, which == 0 ? x[part].x : x[part].z, which == 0 ? x[part].y : x[part].w);
  }

  __device__ __forceinline__ static void load_x(const unsigned char* x_unit, int chunk, int lane, bool live,
                                                Words4 (&x)[kParts]) {
    LLORCH_UNROLL
    for (int part = 0; part < kParts; ++part) {
      x[part] = Words4{0, 0, 0, 0};
      if (live) x[part] = load_words4(x_unit + (chunk * kParts + part) * 512 + lane * 16);
    }
  }

  /// kAll: every one of the kN tiles is live, which needs no branches.
  template <bool kAll, int kTiles, int kN>
  __device__ __forceinline__ static void add_unit(const unsigned char* units, const unsigned char* x_unit, int n_live,
                                                  int lane, bool live, float (&acc)[kTiles][kN][4]) {
    LLORCH_UNROLL
    for (int chunk = 0; chunk < 2; ++chunk) {
      Words4 w[kTiles][2];  // (tile, step)
      LLORCH_UNROLL
      for (int m = 0; m < kTiles; ++m) {
        LLORCH_UNROLL
        for (int s = 0; s < 2; ++s)
          w[m][s] = load_words4(units + m * kUnitBytes + (2 * chunk + s) * 512 + lane * 16);
      }
      LLORCH_UNROLL
      for (int n = 0; n < kN; ++n) {
        if (!kAll && n >= n_live) break;
        Words4 x[kParts];
        load_x(x_unit + n * kXUsedBytes, chunk, lane, live, x);
        LLORCH_UNROLL
        for (int s = 0; s < 2; ++s) {
          LLORCH_UNROLL
          for (int m = 0; m < kTiles; ++m)
            step(acc[m][n], w[m][s], x, s);
        }
      }
    }
  }

  template <int kTiles, int kN>
  __device__ __forceinline__ static void add(const unsigned char* units, const unsigned char* x_unit, int n_live,
                                             int lane, bool live, float (&acc)[kTiles][kN][4]) {
    if (kN == 1 || n_live >= kN) {
      add_unit<true>(units, x_unit, kN, lane, live, acc);
    } else {
      add_unit<false>(units, x_unit, n_live, lane, live, acc);
    }
  }
};

}  // namespace

void matmul_f16(Stream& stream, const MatmulParams& params) {
  launch_product<HalfFamily<false>>(stream, "matmul_f16", params);
}

void matmul_bf16(Stream& stream, const MatmulParams& params) {
  launch_product<HalfFamily<true>>(stream, "matmul_bf16", params);
}

}  // namespace llorch::cuda
