#include "cuda/source/load.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/failure.hpp"
#include "common/base/on_threads.hpp"
#include "common/base/sizes.hpp"
#include "common/quant/block_formats.hpp"
#include "common/quant/dequantize.hpp"
#include "common/source/tensors.hpp"
#include "cuda/weights/repack.hpp"

namespace llorch::cuda {
namespace {

using common::element_count;
using common::stored_bytes;
using common::tensor_name;
using common::weight_type;

constexpr std::uint64_t kStageBytes = std::uint64_t{32} << 20;  // uploaded at once

WeightType matrix_type(const llorch_tensor& tensor) {
  const WeightType type = weight_type(tensor);
  if (!is_device_type(type)) {
    common::fail(LLORCH_UNSUPPORTED, "tensor ", tensor_name(tensor), ": expected ", device_type_names(), ", found ",
                 common::weight_type_name(type), ", which has no kernels for GPUs yet");
  }
  return type;
}

/// f(i) for i = 0..n-1 on up to n_threads threads; the first failure ends it.
template <class F>
void in_parallel(std::int64_t n, int n_threads, const F& f) {
  std::atomic<std::int64_t> next{0};
  const auto work = [&] {
    for (std::int64_t i; (i = next.fetch_add(1)) < n;)
      f(i);
  };
  common::on_threads(static_cast<std::uint64_t>(std::min<std::int64_t>(n, n_threads)), work, [&] { next.store(n); });
}

}  // namespace

DeviceMatrix::DeviceMatrix(DeviceMemory memory, WeightType type, std::int64_t n_rows, std::int64_t n_cols)
    : memory_(std::move(memory)), view_{memory_.data(), type, n_rows, n_cols} {}

std::uint64_t matrix_bytes_of(const llorch_tensor& tensor) {
  const WeightType type = matrix_type(tensor);
  element_count(tensor);  // checks the shape
  const std::string name = tensor_name(tensor);
  const auto units = static_cast<std::uint64_t>(divide_up(static_cast<std::int64_t>(tensor.dims[0]), row_unit(type)));
  return common::checked_product(
      units, static_cast<std::uint64_t>(row_unit_bytes(type, static_cast<std::int64_t>(tensor.dims[1]))), name.c_str());
}

std::uint64_t vector_bytes_of(const llorch_tensor& tensor) {
  return element_count(tensor) * sizeof(float);
}

Uploader::Uploader(Stream& stream, int n_threads)
    : stream_(stream), n_threads_(n_threads), stage_(stream.device(), kStageBytes, "weights on their way") {}

DeviceMatrix Uploader::matrix(const abi::Source& source, const llorch_tensor& tensor) {
  const WeightType type = matrix_type(tensor);
  const std::string name = tensor_name(tensor);
  DeviceMemory memory(stream_.device(), matrix_bytes_of(tensor), name.c_str());
  const auto n_rows = static_cast<std::int64_t>(tensor.dims[0]);
  const auto n_cols = static_cast<std::int64_t>(tensor.dims[1]);
  const auto unit_bytes = static_cast<std::uint64_t>(row_unit_bytes(type, n_cols));
  const std::uint64_t row_bytes = stored_bytes(type, tensor.dims[1]);
  const std::int64_t n_units = divide_up(n_rows, row_unit(type));
  if (unit_bytes > stage_.bytes()) stage_ = PinnedMemory(stream_.device(), unit_bytes, name.c_str());
  const auto at_once = static_cast<std::int64_t>(stage_.bytes() / unit_bytes);
  for (std::int64_t first = 0; first < n_units; first += at_once) {
    const std::int64_t n = std::min(at_once, n_units - first);
    in_parallel(n, n_threads_, [&](std::int64_t i) {
      const std::int64_t row = (first + i) * row_unit(type);
      const std::int64_t rows = std::min(row_unit(type), n_rows - row);
      const std::uint64_t bytes = static_cast<std::uint64_t>(rows) * row_bytes;
      const auto raw = std::make_unique_for_overwrite<std::byte[]>(bytes);
      source.read(tensor, static_cast<std::uint64_t>(row) * row_bytes, raw.get(), bytes);
      repack_rows(type, raw.get(), rows, n_cols, stage_.as<std::byte>() + static_cast<std::uint64_t>(i) * unit_bytes);
    });
    stream_.to_device(memory.as<std::byte>() + static_cast<std::uint64_t>(first) * unit_bytes, stage_.data(),
                      static_cast<std::uint64_t>(n) * unit_bytes);
    stream_.synchronize();
  }
  memory.make_constant();
  return {std::move(memory), type, n_rows, n_cols};
}

std::vector<float> read_floats(const abi::Source& source, const llorch_tensor& tensor) {
  const std::uint64_t count = element_count(tensor);
  const WeightType type = weight_type(tensor);
  if (!common::is_quantized(type)) return abi::read_f32(source, tensor);
  std::vector<std::byte> raw(tensor.nbytes);
  source.read(tensor, 0, raw.data(), raw.size());
  std::vector<float> floats(count);
  common::dequantize(type, raw.data(), static_cast<std::int64_t>(count), floats.data());
  return floats;
}

DeviceVector Uploader::vector(const abi::Source& source, const llorch_tensor& tensor) {
  const std::vector<float> floats = read_floats(source, tensor);
  const std::string name = tensor_name(tensor);
  DeviceMemory memory(stream_.device(), floats.size() * sizeof(float), name.c_str());
  stream_.to_device(memory.data(), floats.data(), memory.bytes());
  stream_.synchronize();
  memory.make_constant();
  return DeviceVector(std::move(memory));
}

}  // namespace llorch::cuda
