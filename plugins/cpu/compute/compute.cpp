#include "cpu/compute/compute.hpp"

#include <algorithm>

#include "cpu/kernels/packing.hpp"

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
      quantized_(static_cast<std::uint64_t>(quantized_bytes(max_rows, max_cols)), "quantized activations"),
      panels_(count(n_threads, kPanelFloats, "weight panels"), "weight panels") {}

std::uint64_t Compute::scratch_bytes(int n_threads, std::int64_t max_rows, std::int64_t max_cols) {
  return FloatBuffer::bytes_for(count(max_rows, max_cols, "activation tiles"), "activation tiles") +
         static_cast<std::uint64_t>(quantized_bytes(max_rows, max_cols)) +
         FloatBuffer::bytes_for(count(n_threads, kPanelFloats, "weight panels"), "weight panels");
}

void Compute::layer_norm(const Rows& x, const NormView& norm, float eps, const Rows& y) {
  each_row(x.n_rows,
           [&](std::int64_t i) { kernels_.layer_norm(x.row(i), norm.weight, norm.bias, eps, x.n_cols, y.row(i)); });
}

void Compute::rms_norm(const Rows& x, const float* weight, float eps, const Rows& y) {
  each_row(x.n_rows, [&](std::int64_t i) { kernels_.rms_norm(x.row(i), weight, eps, x.n_cols, y.row(i)); });
}

Compute::Tiles Compute::tiles_of(const Rows& x, bool floats, bool quantized) {
  Tiles tiles;
  if (floats) {
    tiles.floats = x.data;  // a tile of one row is the row
    if (x.n_rows > 1) {
      tiles.floats = tiles_.get();
      threads_.split(x.n_rows, kernels_.tile_tokens, [&](std::int64_t begin, std::int64_t end, int) {
        kernels_.pack_activations(x.data, x.stride, x.n_cols, begin, end, tiles_.get());
      });
    }
  }
  if (quantized) {
    tiles.quantized = quantized_.data();
    threads_.split(x.n_rows, kernels_.quant_tile_tokens, [&](std::int64_t begin, std::int64_t end, int) {
      kernels_.quantize_activations(x.data, x.stride, x.n_cols, begin, end, quantized_.data());
    });
  }
  return tiles;
}

void Compute::multiply(const Rows& x, const Tiles& tiles, const Product& product, std::int64_t group_begin,
                       std::int64_t group_end, int thread) const {
  const MatmulArgs args = {.weights = product.weights,
                           .bias = product.bias,
                           .x = is_quantized(product.weights.type) ? tiles.quantized : tiles.floats,
                           .n_tokens = x.n_rows,
                           .y = product.y.data,
                           .y_stride = product.y.stride,
                           .panel = panel(thread)};
  kernels_.matmul(args, group_begin, group_end);
}

void Compute::project(const Rows& x, const PackedView& weights, const float* bias, const Rows& y) {
  project(x, weights, bias, y, nullptr);
}

void Compute::project(const Rows& x, const PackedView& weights, const float* bias, const Rows& y,
                      void (*activation)(float* y, std::int64_t n)) {
  if (x.n_rows == 0) return;
  const bool quantized = is_quantized(weights.type);
  const Tiles tiles = tiles_of(x, !quantized, quantized);
  threads_.split(weights.n_groups(), kPanelGroups, [&](std::int64_t begin, std::int64_t end, int thread) {
    multiply(x, tiles, {weights, bias, y}, begin, end, thread);
    if (activation == nullptr) return;
    for (std::int64_t i = 0; i < y.n_rows; ++i)
      activation(y.row(i) + begin * kLanes, (end - begin) * kLanes);
  });
}

void Compute::project(const Rows& x, std::initializer_list<Product> products) {
  if (x.n_rows == 0) return;
  bool floats = false;
  bool quantized = false;
  std::int64_t n_groups = 0;
  for (const Product& product : products) {
    (is_quantized(product.weights.type) ? quantized : floats) = true;
    n_groups += product.weights.n_groups();
  }
  const Tiles tiles = tiles_of(x, floats, quantized);
  // Each thread takes its share of the groups of all products, as if they were one matrix.
  threads_.split(n_groups, kPanelGroups, [&](std::int64_t begin, std::int64_t end, int thread) {
    std::int64_t first = 0;
    for (const Product& product : products) {
      const std::int64_t n = product.weights.n_groups();
      const std::int64_t from = std::max(begin - first, std::int64_t{0});
      const std::int64_t to = std::min(end - first, n);
      if (from < to) multiply(x, tiles, product, from, to, thread);
      first += n;
    }
  });
}

void Compute::silu_gate(const Rows& gate, const Rows& up) {
  each_row(gate.n_rows, [&](std::int64_t i) { kernels_.silu_gate(gate.row(i), up.row(i), gate.n_cols); });
}

void Compute::add(const Rows& x, const Rows& y) {
  each_row(x.n_rows, [&](std::int64_t i) { kernels_.add(x.row(i), y.row(i), x.n_cols); });
}

}  // namespace llorch::cpu
