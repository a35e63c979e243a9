// From the host's tensors to memory that the kernels read: packed matrices, widened vectors.
#pragma once

#include <llorch/plugin.hpp>

#include <cstdint>
#include <utility>

#include "cpu/base/buffer.hpp"
#include "cpu/kernels/kernel_table.hpp"

namespace llorch::cpu {

/// A weight matrix in memory of its own, packed for the kernels.
class PackedMatrix {
 public:
  PackedMatrix() = default;
  PackedMatrix(Buffer buffer, const PackedView& view) : buffer_(std::move(buffer)), view_(view) {}
  [[nodiscard]] const PackedView& view() const { return view_; }
  [[nodiscard]] std::uint64_t bytes() const { return buffer_.bytes(); }

 private:
  Buffer buffer_;
  PackedView view_{};
};

/// Bytes that load_packed() will take for a tensor (rows, columns) of any WeightType, padding included. UNSUPPORTED for
/// other types.
std::uint64_t packed_bytes(const llorch_tensor& tensor);
/// Bytes that load_floats() will take.
std::uint64_t floats_bytes(const llorch_tensor& tensor);

/// Reads a tensor (rows, columns) into packed form, with n_threads threads. BAD_MODEL, DEVICE_ERROR, OUT_OF_MEMORY.
PackedMatrix load_packed(const abi::Source& source, const llorch_tensor& tensor, int n_threads);
/// Reads a tensor of any shape, widened to f32.
FloatBuffer load_floats(const abi::Source& source, const llorch_tensor& tensor, const KernelTable& kernels);

}  // namespace llorch::cpu
