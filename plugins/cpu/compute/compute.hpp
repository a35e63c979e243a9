// Layers over a batch of rows: kernels, spread over the threads of one context.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "cpu/base/buffer.hpp"
#include "cpu/kernels/kernel_table.hpp"
#include "cpu/threads/thread_pool.hpp"

namespace llorch::cpu {

/// A batch of activation rows: (n_rows, n_cols), rows `stride` floats apart. Does not own them.
struct Rows {
  float* data = nullptr;
  std::int64_t n_rows = 0;
  std::int64_t n_cols = 0;
  std::int64_t stride = 0;
  [[nodiscard]] float* row(std::int64_t i) const { return data + i * stride; }
  /// Columns [begin, begin + n) of the same rows.
  [[nodiscard]] Rows columns(std::int64_t begin, std::int64_t n) const { return {data + begin, n_rows, n, stride}; }
  [[nodiscard]] Rows first(std::int64_t n) const { return {data, n, n_cols, stride}; }
};

/// Memory for up to max_rows rows, each padded to whole vectors.
class RowBuffer {
 public:
  RowBuffer() = default;
  RowBuffer(std::int64_t max_rows, std::int64_t n_cols, const char* what);
  [[nodiscard]] Rows rows(std::int64_t n) const { return {buffer_.get(), n, n_cols_, stride_}; }
  [[nodiscard]] std::uint64_t bytes() const { return buffer_.bytes(); }
  static std::uint64_t bytes_for(std::int64_t max_rows, std::int64_t n_cols);

 private:
  FloatBuffer buffer_;
  std::int64_t n_cols_ = 0;
  std::int64_t stride_ = 0;
};

/// Weight and bias of a layer norm.
struct NormView {
  const float* weight;  // (n_cols)
  const float* bias;    // (n_cols)
};

/// One of several products of the same activations: y = x W^T + bias.
struct Product {
  const PackedView& weights;
  const float* bias;  // (padded to whole groups), or null
  const Rows& y;      // y.stride must hold W's padded rows
};

/// The functions a forward pass is written in. One caller at a time.
class Compute {
 public:
  /// Scratch for projections of max_rows rows of up to max_cols columns.
  Compute(const KernelTable& kernels, int n_threads, std::int64_t max_rows, std::int64_t max_cols);
  static std::uint64_t scratch_bytes(int n_threads, std::int64_t max_rows, std::int64_t max_cols);

  [[nodiscard]] const KernelTable& kernels() const { return kernels_; }
  [[nodiscard]] ThreadPool& threads() { return threads_; }
  [[nodiscard]] std::uint64_t bytes() const { return tiles_.bytes() + quantized_.bytes() + panels_.bytes(); }

  /// f(i) for i = 0..n-1, spread over the threads where there are enough rows.
  template <class F>
  void each_row(std::int64_t n, const F& f) {
    constexpr std::int64_t kRowsWorthSplitting = 8;  // fewer are done before a thread wakes
    threads_.split(n, kRowsWorthSplitting, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t i = begin; i < end; ++i)
        f(i);
    });
  }

  /// y = layer_norm(x) * weight + bias, row by row.
  void layer_norm(const Rows& x, const NormView& norm, float eps, const Rows& y);
  /// y = rms_norm(x) * weight, row by row; weight: (n_cols).
  void rms_norm(const Rows& x, const float* weight, float eps, const Rows& y);
  /// y = x W^T + bias; bias (padded to whole groups) may be null. y.stride must hold W's padded rows.
  void project(const Rows& x, const PackedView& weights, const float* bias, const Rows& y);
  /// The same, followed by `activation` on y in place.
  void project(const Rows& x, const PackedView& weights, const float* bias, const Rows& y,
               void (*activation)(float* y, std::int64_t n));
  /// Several products of the same x in one phase: x is packed or quantized once, and the threads meet once. Weights may
  /// be of different types.
  void project(const Rows& x, std::initializer_list<Product> products);
  /// gate = silu(gate) * up, the hidden layer of SwiGLU.
  void silu_gate(const Rows& gate, const Rows& up);
  /// x += y.
  void add(const Rows& x, const Rows& y);

 private:
  struct Tiles {
    const void* floats = nullptr;
    const void* quantized = nullptr;
  };
  Tiles tiles_of(const Rows& x, bool floats, bool quantized);
  void multiply(const Rows& x, const Tiles& tiles, const Product& product, std::int64_t group_begin,
                std::int64_t group_end, int thread) const;
  float* panel(int thread) const { return panels_.get() + thread * kPanelFloats; }

  const KernelTable& kernels_;
  ThreadPool threads_;
  FloatBuffer tiles_;   // (max_rows, max_cols): activations as the kernels want them
  Buffer quantized_;    // quantized_bytes(max_rows, max_cols): the same, quantized
  FloatBuffer panels_;  // (n_threads, kPanelFloats)
};

}  // namespace llorch::cpu
