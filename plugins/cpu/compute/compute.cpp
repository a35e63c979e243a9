#include "cpu/compute/compute.hpp"

namespace llorch::cpu {
namespace {

std::uint64_t count(std::int64_t rows, std::int64_t cols, const char* what) {
  return checked_product(static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(cols), what);
}

}  // namespace

RowBuffer::RowBuffer(std::int64_t max_rows, std::int64_t n_cols, const char* what)
    : buffer_(count(max_rows, round_up(n_cols, kLanes), what), what),
      n_cols_(n_cols),
      stride_(round_up(n_cols, kLanes)) {}

std::uint64_t RowBuffer::bytes_for(std::int64_t max_rows, std::int64_t n_cols) {
  return checked_product(count(max_rows, round_up(n_cols, kLanes), "activations"), sizeof(float), "activations");
}

Compute::Compute(const KernelTable& kernels, int n_threads, std::int64_t max_rows, std::int64_t max_cols)
    : kernels_(kernels),
      threads_(n_threads),
      tiles_(count(max_rows, max_cols, "activation tiles"), "activation tiles"),
      panels_(count(n_threads, kPanelFloats, "weight panels"), "weight panels") {}

std::uint64_t Compute::scratch_bytes(int n_threads, std::int64_t max_rows, std::int64_t max_cols) {
  return FloatBuffer::bytes_for(count(max_rows, max_cols, "activation tiles"), "activation tiles") +
         FloatBuffer::bytes_for(count(n_threads, kPanelFloats, "weight panels"), "weight panels");
}

void Compute::layer_norm(const Rows& x, const NormView& norm, float eps, const Rows& y) {
  each_row(x.n_rows,
           [&](std::int64_t i) { kernels_.layer_norm(x.row(i), norm.weight, norm.bias, eps, x.n_cols, y.row(i)); });
}

const float* Compute::tiles_of(const Rows& x) {
  if (x.n_rows == 1) return x.data;  // a tile of one row is the row
  const std::int64_t tile = kernels_.tile_tokens;
  threads_.split(x.n_rows, tile, [&](std::int64_t begin, std::int64_t end, int) {
    kernels_.pack_activations(x.data, x.stride, x.n_cols, begin, end, tiles_.get());
  });
  return tiles_.get();
}

void Compute::project(const Rows& x, const PackedView& weights, const float* bias, const Rows& y) {
  project(x, weights, bias, y, nullptr);
}

void Compute::project(const Rows& x, const PackedView& weights, const float* bias, const Rows& y,
                      void (*activation)(float* y, std::int64_t n)) {
  if (x.n_rows == 0) return;
  const float* tiles = tiles_of(x);
  threads_.split(weights.n_groups(), kPanelGroups, [&](std::int64_t begin, std::int64_t end, int thread) {
    const MatmulArgs args = {.weights = weights,
                             .bias = bias,
                             .x = tiles,
                             .n_tokens = x.n_rows,
                             .y = y.data,
                             .y_stride = y.stride,
                             .panel = panel(thread)};
    kernels_.matmul(args, begin, end);
    if (activation == nullptr) return;
    for (std::int64_t i = 0; i < y.n_rows; ++i)
      activation(y.row(i) + begin * kLanes, (end - begin) * kLanes);
  });
}

void Compute::add(const Rows& x, const Rows& y) {
  each_row(x.n_rows, [&](std::int64_t i) { kernels_.add(x.row(i), y.row(i), x.n_cols); });
}

}  // namespace llorch::cpu
