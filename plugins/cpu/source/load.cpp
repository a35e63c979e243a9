#include "cpu/source/load.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <string>

#include "common/base/on_threads.hpp"
#include "common/quant/dequantize.hpp"
#include "common/source/tensors.hpp"
#include "cpu/kernels/packing.hpp"
#include "cpu/quant/repack.hpp"

namespace llorch::cpu {
namespace {

using common::element_count;
using common::stored_bytes;
using common::tensor_name;
using common::weight_type;

constexpr std::uint64_t kReadBytes = std::uint64_t{1} << 20;  // read at once

/// (rows, columns) -> (columns, lanes) for up to kLanes rows; missing lanes stay as they are.
template <class T>
void interleave(const T* rows, std::int64_t n_rows, std::int64_t n_cols, T* out) {
  constexpr std::int64_t kBlock = 16;  // columns at a time, so that each line is written once
  for (std::int64_t k = 0; k < n_cols; k += kBlock) {
    const std::int64_t end = std::min(k + kBlock, n_cols);
    for (std::int64_t r = 0; r < n_rows; ++r) {
      for (std::int64_t c = k; c < end; ++c)
        out[c * kLanes + r] = rows[r * n_cols + c];
    }
  }
}

/// Bytes of kLanes rows once they are packed.
std::uint64_t packed_group_bytes(WeightType type, std::uint64_t n_cols) {
  if (!is_quantized(type)) return kLanes * stored_bytes(type, n_cols);
  return static_cast<std::uint64_t>(packed_format(type).group_bytes(static_cast<std::int64_t>(n_cols)));
}

/// Reads and packs groups of rows; several threads may call next_piece() until it says false.
class Packer {
 public:
  Packer(const abi::Source& source, const llorch_tensor& tensor, std::byte* out)
      : source_(source),
        tensor_(tensor),
        type_(weight_type(tensor)),
        n_rows_(tensor.dims[0]),
        row_bytes_(stored_bytes(type_, tensor.dims[1])),
        group_bytes_(packed_group_bytes(type_, tensor.dims[1])),
        rows_at_once_(std::max<std::uint64_t>(1, kReadBytes / (row_bytes_ * kLanes)) * kLanes),
        out_(out) {}

  [[nodiscard]] std::uint64_t pieces() const { return (n_rows_ + rows_at_once_ - 1) / rows_at_once_; }

  void work() {
    const auto rows = std::make_unique_for_overwrite<std::byte[]>(rows_at_once_ * row_bytes_);
    for (std::uint64_t first; (first = next_.fetch_add(rows_at_once_)) < n_rows_;)
      pack(first, rows.get());
  }
  void stop() { next_.store(n_rows_); }

 private:
  void pack(std::uint64_t first, std::byte* rows) {
    const std::uint64_t count = std::min(rows_at_once_, n_rows_ - first);
    source_.read(tensor_, first * row_bytes_, rows, count * row_bytes_);
    const auto n_cols = static_cast<std::int64_t>(tensor_.dims[1]);
    for (std::uint64_t r = 0; r < count; r += kLanes) {
      const auto lanes = static_cast<std::int64_t>(std::min<std::uint64_t>(kLanes, count - r));
      const std::byte* from = rows + r * row_bytes_;
      std::byte* to = out_ + (first + r) / kLanes * group_bytes_;
      if (is_quantized(type_)) {
        repack_group(type_, from, lanes, n_cols, to);
      } else if (type_ == WeightType::kF32) {
        interleave(reinterpret_cast<const std::uint32_t*>(from), lanes, n_cols, reinterpret_cast<std::uint32_t*>(to));
      } else {
        interleave(reinterpret_cast<const std::uint16_t*>(from), lanes, n_cols, reinterpret_cast<std::uint16_t*>(to));
      }
    }
  }

  const abi::Source& source_;
  const llorch_tensor& tensor_;
  WeightType type_;
  std::uint64_t n_rows_, row_bytes_, group_bytes_, rows_at_once_;
  std::byte* out_;
  std::atomic<std::uint64_t> next_{0};
};

}  // namespace

std::uint64_t packed_bytes(const llorch_tensor& tensor) {
  element_count(tensor);  // checks the shape
  return (tensor.dims[0] + kLanes - 1) / kLanes * packed_group_bytes(weight_type(tensor), tensor.dims[1]);
}

std::uint64_t floats_bytes(const llorch_tensor& tensor) {
  return FloatBuffer::bytes_for(element_count(tensor), "weights");
}

PackedMatrix load_packed(const abi::Source& source, const llorch_tensor& tensor, int n_threads) {
  const std::string name = tensor_name(tensor);
  Buffer packed(packed_bytes(tensor), name.c_str());
  Packer packer(source, tensor, packed.as<std::byte>());
  const auto threads = std::min<std::uint64_t>(static_cast<std::uint64_t>(n_threads), packer.pieces());
  common::on_threads(
      threads, [&] { packer.work(); }, [&] { packer.stop(); });
  const PackedView view = {packed.data(), weight_type(tensor), static_cast<std::int64_t>(tensor.dims[0]),
                           static_cast<std::int64_t>(tensor.dims[1])};
  return {std::move(packed), view};
}

FloatBuffer load_floats(const abi::Source& source, const llorch_tensor& tensor, const KernelTable& kernels) {
  const std::string name = tensor_name(tensor);
  const std::uint64_t count = element_count(tensor);
  const WeightType type = weight_type(tensor);
  FloatBuffer floats(count, name.c_str());
  constexpr std::uint64_t kValues = kReadBytes / sizeof(float);  // whole blocks of every type
  const auto raw = std::make_unique_for_overwrite<std::byte[]>(stored_bytes(type, std::min(kValues, count)));
  for (std::uint64_t i = 0; i < count;) {
    const std::uint64_t n = std::min(kValues, count - i);
    source.read(tensor, stored_bytes(type, i), raw.get(), stored_bytes(type, n));
    if (is_quantized(type)) {
      common::dequantize(type, raw.get(), static_cast<std::int64_t>(n), floats.get() + i);
    } else {
      kernels.widen(raw.get(), type, static_cast<std::int64_t>(n), floats.get() + i);
    }
    i += n;
  }
  return floats;
}

}  // namespace llorch::cpu
