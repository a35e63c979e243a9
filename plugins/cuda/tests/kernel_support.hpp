// What the tests of kernels share: matrices and rows on the device with their exact values on the host.
#pragma once

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "common/quant/dequantize.hpp"
#include "common/tests/quant_support.hpp"
#include "common/tests/test_support.hpp"
#include "cuda/device/runtime.hpp"
#include "cuda/kernels/activation_layout.hpp"
#include "cuda/kernels/kernels.hpp"
#include "cuda/weights/repack.hpp"
#include "device.hpp"

namespace llorch::cuda::testing {

using common::testing::random_floats;
using common::testing::same_bits;

inline constexpr WeightType kTypes[] = {WeightType::kF32,  WeightType::kF16,   WeightType::kBf16, WeightType::kQ8_0,
                                        WeightType::kQ4_0, WeightType::kQ4_1,  WeightType::kQ5_0, WeightType::kQ5_1,
                                        WeightType::kQ2_K, WeightType::kQ3_K,  WeightType::kQ4_K, WeightType::kQ5_K,
                                        WeightType::kQ6_K, WeightType::kIq4Nl, WeightType::kIq4Xs};

/// Those that models are mostly made of: tests that run a product many times take only some cases of the others.
inline bool is_frequent(WeightType type) {
  return !common::is_quantized(type) || type == WeightType::kQ8_0 || type == WeightType::kQ4_0 ||
         type == WeightType::kQ4_K || type == WeightType::kQ6_K;
}

inline const char* name_of(WeightType type) {
  switch (type) {
    case WeightType::kF32:
      return "F32";
    case WeightType::kF16:
      return "F16";
    case WeightType::kBf16:
      return "BF16";
    default:
      return common::block_format(type)->name;
  }
}
/// Columns that rows of a type are made of.
inline std::int64_t columns_of(WeightType type) {
  return common::is_quantized(type) ? common::block_format(type)->columns : 1;
}

/// The value of a half, by its definition.
inline double half_value(std::uint16_t bits) {
  const int exponent = bits >> 10 & 0x1f;
  const int fraction = bits & 0x3ff;
  const double magnitude = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

/// A weight matrix with random elements, as a file has it and on the device.
class Matrix {
 public:
  Matrix(Stream& stream, WeightType type, std::int64_t n_rows, std::int64_t n_cols, unsigned seed)
      : n_cols_(n_cols), values_(static_cast<std::size_t>(n_rows * n_cols)) {
    fill(type, seed);
    const std::int64_t unit = row_unit(type);
    const std::int64_t unit_bytes = row_unit_bytes(type, n_cols);
    const auto row_bytes = static_cast<std::int64_t>(file_.size()) / n_rows;
    // 0xff: repack_rows() fills all of it, padding too.
    std::vector<Words> packed(static_cast<std::size_t>(matrix_bytes(type, n_rows, n_cols)) / sizeof(Words),
                              Words{{~0u, ~0u, ~0u, ~0u}});
    auto* out = reinterpret_cast<unsigned char*>(packed.data());
    for (std::int64_t r = 0; r < n_rows; r += unit)
      repack_rows(type, file_.data() + r * row_bytes, std::min(unit, n_rows - r), n_cols, out + r / unit * unit_bytes);
    memory_ = on_device(stream, packed);
    memory_.make_constant();  // as Uploader does
    view_ = {memory_.data(), type, n_rows, n_cols};
  }
  [[nodiscard]] const MatrixView& view() const { return view_; }
  [[nodiscard]] std::size_t file_bytes() const { return file_.size(); }
  /// Bit-equal to the definition of the type.
  [[nodiscard]] const float* row(std::int64_t r) const { return values_.data() + r * n_cols_; }

 private:
  struct alignas(16) Words {
    std::uint32_t word[4];
  };
  void fill(WeightType type, unsigned seed) {
    if (common::is_quantized(type)) {
      file_ = common::testing::random_blocks(type, static_cast<std::int64_t>(values_.size()), seed);
      common::dequantize(type, file_.data(), static_cast<std::int64_t>(values_.size()), values_.data());
      return;
    }
    values_ = random_floats(values_.size(), seed, 0.1f);
    const std::size_t size = type == WeightType::kF32 ? 4 : 2;
    file_.resize(values_.size() * size);
    for (std::size_t i = 0; i < values_.size(); ++i) {
      std::uint32_t bits = 0;
      std::memcpy(&bits, &values_[i], sizeof bits);
      if (type == WeightType::kBf16) {
        bits >>= 16;
        const std::uint32_t widened = bits << 16;
        std::memcpy(&values_[i], &widened, sizeof widened);
      } else if (type == WeightType::kF16) {
        bits = (bits >> 16 & 0x8000u) | (0x2800u + (bits >> 3 & 0x7ffu));
        values_[i] = static_cast<float>(half_value(static_cast<std::uint16_t>(bits)));
      }
      std::memcpy(&file_[i * size], &bits, size);
    }
  }

  std::int64_t n_cols_;
  std::vector<std::uint8_t> file_;
  std::vector<float> values_;
  DeviceMemory memory_;
  MatrixView view_;
};

/// Rows on the device, `stride` floats apart.
class DeviceRows {
 public:
  DeviceRows(Stream& stream, std::int64_t n_rows, std::int64_t n_cols, std::int64_t slack = 4)
      : stream_(&stream), stride_((n_cols + 3) / 4 * 4 + slack), memory_(stream.device(), bytes(n_rows), "test rows") {
    view_ = {memory_.as<float>(), n_rows, n_cols, stride_};
  }
  DeviceRows(Stream& stream, std::int64_t n_rows, std::int64_t n_cols, const std::vector<float>& values)
      : DeviceRows(stream, n_rows, n_cols) {
    set(values);
  }
  void set(const std::vector<float>& values) {
    std::vector<float> padded(static_cast<std::size_t>(view_.n_rows * stride_), std::nanf(""));
    for (std::int64_t r = 0; r < view_.n_rows; ++r)
      std::copy_n(values.data() + r * view_.n_cols, view_.n_cols, padded.data() + r * stride_);
    stream_->to_device(memory_.data(), padded.data(), memory_.bytes());
    stream_->synchronize();
  }
  [[nodiscard]] const RowsView& view() const { return view_; }
  /// The first n rows, without the slack between them.
  [[nodiscard]] std::vector<float> get() const {
    const auto padded = on_host<float>(*stream_, memory_, static_cast<std::size_t>(view_.n_rows * stride_));
    std::vector<float> out;
    for (std::int64_t r = 0; r < view_.n_rows; ++r)
      out.insert(out.end(), padded.begin() + r * stride_, padded.begin() + r * stride_ + view_.n_cols);
    return out;
  }

 private:
  [[nodiscard]] std::uint64_t bytes(std::int64_t n_rows) const {
    return static_cast<std::uint64_t>(n_rows * stride_) * sizeof(float);
  }
  Stream* stream_;
  std::int64_t stride_;
  DeviceMemory memory_;
  RowsView view_;
};

/// Rows converted for a product.
class Activations {
 public:
  Activations(Stream& stream, ActivationKind kind, std::int64_t capacity, std::int64_t n_cols)
      : memory_(stream.device(), activation_bytes(kind, capacity, n_cols), "test activations") {
    view_ = {kind, memory_.data(), 0, n_cols, capacity};
    stream.fill(memory_.data(), 0xff, memory_.bytes());  // what nobody writes is the same everywhere, and no number
  }
  Activations(Stream& stream, ActivationKind kind, const RowsView& x) : Activations(stream, kind, x.n_rows, x.n_cols) {
    view_.n_rows = x.n_rows;
    convert(stream, x, view_);
  }
  [[nodiscard]] const ActivationView& view() const { return view_; }
  [[nodiscard]] const DeviceMemory& memory() const { return memory_; }

 private:
  DeviceMemory memory_;
  ActivationView view_;
};

/// Codes and scale of 32 columns as the plugins define them (docs/quantization.md).
struct QuantizedChunk {
  int codes[32];
  float scale;
};
inline QuantizedChunk quantize_chunk(const float* x, std::int64_t n) {
  float largest = 0.0f;
  for (std::int64_t i = 0; i < n; ++i)
    largest = std::max(largest, std::fabs(x[i]));
  QuantizedChunk out{};
  if (largest < std::ldexp(1.0f, -100)) return out;
  const float inverse = 127.0f / largest;
  out.scale = largest / 127.0f;
  for (std::int64_t i = 0; i < n; ++i)
    out.codes[i] = static_cast<int>(std::nearbyint(x[i] * inverse));
  return out;
}

/// What a product takes row x for: the values that its kind of activations holds.
inline std::vector<double> taken_values(ActivationKind kind, const float* x, std::int64_t n) {
  std::vector<double> out(x, x + n);
  if (kind != ActivationKind::kQ8) return out;  // F16 and BF16: within a tolerance
  for (std::int64_t k = 0; k < n; k += 32) {
    const std::int64_t count = std::min<std::int64_t>(32, n - k);
    const QuantizedChunk chunk = quantize_chunk(x + k, count);
    for (std::int64_t i = 0; i < count; ++i)
      out[static_cast<std::size_t>(k + i)] = static_cast<double>(chunk.codes[i]) * static_cast<double>(chunk.scale);
  }
  return out;
}

}  // namespace llorch::cuda::testing
