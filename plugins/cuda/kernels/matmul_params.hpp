// What a product's kernels are given, and the functions that start them: one pair for each type of matrix.
#pragma once

#include <cstdint>

#include "cuda/kernels/kernels.hpp"

namespace llorch::cuda {

inline constexpr int kMostProducts = 4;

struct MatmulTarget {
  const unsigned char* weights;
  float* y;
  std::int64_t y_stride;  // floats
  std::int32_t n_rows;    // of the matrix
  std::int32_t n_tiles;   // row units of it
};

struct MatmulParams {
  MatmulTarget targets[kMostProducts];
  const unsigned char* x;  // the first tile of converted activations
  const float* factors;    // F16: what undoes each row's factor
  std::int64_t x_tile_bytes;
  std::int64_t tile_bytes;  // of a row unit of the matrices
  std::int32_t n_targets;
  std::int32_t n_rows;  // of activations
  std::int32_t n_x_tiles;
  std::int32_t n_units;  // of columns
  std::int32_t n_segments;
  bool add;    // to y
  bool gated;  // targets are gate and up, y is silu(gate) * up
};

/// All targets have the type that the name says.
void matmul_f32(Stream& stream, const MatmulParams& params);
void matmul_f16(Stream& stream, const MatmulParams& params);
void matmul_bf16(Stream& stream, const MatmulParams& params);
void matmul_q8_0(Stream& stream, const MatmulParams& params);
void matmul_q4_0(Stream& stream, const MatmulParams& params);
void matmul_q4_k(Stream& stream, const MatmulParams& params);
void matmul_q5_k(Stream& stream, const MatmulParams& params);
void matmul_q6_k(Stream& stream, const MatmulParams& params);
void matmul_q4_1(Stream& stream, const MatmulParams& params);
void matmul_q5_0(Stream& stream, const MatmulParams& params);
void matmul_q5_1(Stream& stream, const MatmulParams& params);
void matmul_q2_k(Stream& stream, const MatmulParams& params);
void matmul_q3_k(Stream& stream, const MatmulParams& params);
void matmul_iq4_nl(Stream& stream, const MatmulParams& params);
void matmul_iq4_xs(Stream& stream, const MatmulParams& params);

/// The most dynamic shared memory of a block on the stream's device.
std::uint64_t most_shared_bytes(Stream& stream);
/// The most with which two blocks run on one multiprocessor, so that one computes while the other waits.
std::uint64_t shared_bytes_of_two(Stream& stream);

}  // namespace llorch::cuda
