// From the host's tensors to device memory: repacked matrices, widened vectors.
#pragma once

#include <llorch/plugin.hpp>

#include <cstdint>
#include <utility>
#include <vector>

#include "cuda/device/runtime.hpp"
#include "cuda/weights/device_matrix.hpp"

namespace llorch::cuda {

/// A weight matrix on a device, packed for the kernels.
class DeviceMatrix {
 public:
  DeviceMatrix() = default;
  DeviceMatrix(DeviceMemory memory, WeightType type, std::int64_t n_rows, std::int64_t n_cols);
  [[nodiscard]] const MatrixView& view() const { return view_; }

 private:
  DeviceMemory memory_;
  MatrixView view_;
};

/// Floats on a device.
class DeviceVector {
 public:
  DeviceVector() = default;
  explicit DeviceVector(DeviceMemory memory) : memory_(std::move(memory)) {}
  [[nodiscard]] const float* data() const { return memory_.as<float>(); }

 private:
  DeviceMemory memory_;
};

/// Device bytes of a tensor (rows, columns). UNSUPPORTED, naming tensor and type, where kernels lack the type.
/// BAD_MODEL as common::element_count().
std::uint64_t matrix_bytes_of(const llorch_tensor& tensor);
/// Device bytes of a tensor of any shape as floats.
std::uint64_t vector_bytes_of(const llorch_tensor& tensor);

/// Moves weights to one device. One caller at a time; works with several threads of its own.
class Uploader {
 public:
  /// `stream` outlives it.
  Uploader(Stream& stream, int n_threads);

  /// Reads, packs and uploads a tensor (rows, columns). BAD_MODEL, UNSUPPORTED, DEVICE_ERROR, OUT_OF_MEMORY.
  DeviceMatrix matrix(const abi::Source& source, const llorch_tensor& tensor);
  /// Reads a tensor of any shape, widened to f32.
  DeviceVector vector(const abi::Source& source, const llorch_tensor& tensor);

 private:
  Stream& stream_;
  int n_threads_;
  PinnedMemory stage_;
};

/// All values of a tensor, widened to f32.
std::vector<float> read_floats(const abi::Source& source, const llorch_tensor& tensor);

}  // namespace llorch::cuda
