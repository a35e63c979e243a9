// From the host's tensors to memory that the kernels read: packed matrices, widened vectors, a fingerprint.
#pragma once

#include <llorch/plugin.hpp>

#include <cstdint>
#include <initializer_list>
#include <string_view>
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

/// The tensor of that name and shape, of whatever type: the functions below refuse types that they do not know.
inline llorch_tensor weight_tensor(const abi::Source& source, std::string_view name,
                                   std::initializer_list<std::uint64_t> dims) {
  return source.tensor(name, dims, {});
}

/// Bytes that load_packed() will take for a tensor (rows, columns) of any WeightType, padding included. UNSUPPORTED for
/// other types.
std::uint64_t packed_bytes(const llorch_tensor& tensor);
/// Bytes that load_floats() will take.
std::uint64_t floats_bytes(const llorch_tensor& tensor);

/// Reads a tensor (rows, columns) into packed form, with n_threads threads. BAD_MODEL, DEVICE_ERROR, OUT_OF_MEMORY.
PackedMatrix load_packed(const abi::Source& source, const llorch_tensor& tensor, int n_threads);
/// Reads a tensor of any shape, widened to f32.
FloatBuffer load_floats(const abi::Source& source, const llorch_tensor& tensor, const KernelTable& kernels);
/// Folds name, shape, type and the first and last few KiB of a tensor into a running hash.
std::uint64_t fold_fingerprint(const abi::Source& source, const llorch_tensor& tensor, std::uint64_t hash);

}  // namespace llorch::cpu
