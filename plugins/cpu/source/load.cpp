#include "cpu/source/load.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "cpu/base/failure.hpp"
#include "cpu/base/hash.hpp"

namespace llorch::cpu {
namespace {

constexpr std::uint64_t kReadBytes = std::uint64_t{1} << 20;  // read at once
constexpr std::uint64_t kSampleBytes = 4096;

std::string name_of(const llorch_tensor& tensor) {
  return std::string(abi::view(tensor.name));
}

WeightType weight_type(const llorch_tensor& tensor) {
  switch (tensor.dtype) {
    case LLORCH_DTYPE_F32:
      return WeightType::kF32;
    case LLORCH_DTYPE_F16:
      return WeightType::kF16;
    case LLORCH_DTYPE_BF16:
      return WeightType::kBf16;
    default:
      fail(LLORCH_UNSUPPORTED, "tensor ", name_of(tensor), ": expected f32, f16 or bf16, found ",
           abi::dtype_text(tensor.dtype));
  }
}

std::uint64_t element_bytes(WeightType type) {
  return type == WeightType::kF32 ? 4 : 2;
}

/// Elements by the dims, which must agree with the bytes.
std::uint64_t element_count(const llorch_tensor& tensor) {
  std::uint64_t count = 1;
  const std::string name = name_of(tensor);
  for (std::uint32_t i = 0; i < tensor.n_dims; ++i)
    count = checked_product(count, tensor.dims[i], name.c_str());
  const std::uint64_t bytes = checked_product(count, element_bytes(weight_type(tensor)), name.c_str());
  if (bytes != tensor.nbytes) {
    fail(LLORCH_BAD_MODEL, "tensor ", name, ": expected ", bytes, " bytes by its shape, found ", tensor.nbytes);
  }
  return count;
}

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

/// Reads and packs groups of rows; several threads may call next_piece() until it says false.
class Packer {
 public:
  Packer(const abi::Source& source, const llorch_tensor& tensor, std::byte* out)
      : source_(source),
        tensor_(tensor),
        element_(element_bytes(weight_type(tensor))),
        n_rows_(tensor.dims[0]),
        row_bytes_(tensor.dims[1] * element_),
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
      std::byte* to = out_ + (first + r) * row_bytes_;
      if (element_ == sizeof(std::uint32_t)) {
        interleave(reinterpret_cast<const std::uint32_t*>(from), lanes, n_cols, reinterpret_cast<std::uint32_t*>(to));
      } else {
        interleave(reinterpret_cast<const std::uint16_t*>(from), lanes, n_cols, reinterpret_cast<std::uint16_t*>(to));
      }
    }
  }

  const abi::Source& source_;
  const llorch_tensor& tensor_;
  std::uint64_t element_, n_rows_, row_bytes_, rows_at_once_;
  std::byte* out_;
  std::atomic<std::uint64_t> next_{0};
};

}  // namespace

std::uint64_t packed_bytes(const llorch_tensor& tensor) {
  const std::uint64_t bytes = element_count(tensor) * element_bytes(weight_type(tensor));
  const std::uint64_t row_bytes = bytes / tensor.dims[0];
  return (tensor.dims[0] + kLanes - 1) / kLanes * kLanes * row_bytes;
}

std::uint64_t floats_bytes(const llorch_tensor& tensor) {
  return FloatBuffer::bytes_for(element_count(tensor), "weights");
}

PackedMatrix load_packed(const abi::Source& source, const llorch_tensor& tensor, int n_threads) {
  const std::string name = name_of(tensor);
  Buffer packed(packed_bytes(tensor), name.c_str());
  Packer packer(source, tensor, packed.as<std::byte>());
  std::exception_ptr error;
  std::mutex error_mutex;
  const auto work = [&] {
    try {
      packer.work();
    } catch (...) {
      packer.stop();
      const std::scoped_lock lock(error_mutex);
      error = std::current_exception();
    }
  };
  {
    std::vector<std::thread> helpers;
    const auto wanted = std::min<std::uint64_t>(static_cast<std::uint64_t>(n_threads), packer.pieces());
    try {
      for (std::uint64_t i = 1; i < wanted; ++i)
        helpers.emplace_back(work);
    } catch (const std::system_error&) {
      // No more threads to be had: those there are do the work.
    }
    work();
    for (std::thread& helper : helpers)
      helper.join();
  }
  if (error) std::rethrow_exception(error);
  const PackedView view = {packed.data(), weight_type(tensor), static_cast<std::int64_t>(tensor.dims[0]),
                           static_cast<std::int64_t>(tensor.dims[1])};
  return {std::move(packed), view};
}

FloatBuffer load_floats(const abi::Source& source, const llorch_tensor& tensor, const KernelTable& kernels) {
  const std::string name = name_of(tensor);
  const std::uint64_t count = element_count(tensor);
  const WeightType type = weight_type(tensor);
  const std::uint64_t element = element_bytes(type);
  FloatBuffer floats(count, name.c_str());
  const auto raw = std::make_unique_for_overwrite<std::byte[]>(std::min(kReadBytes, count * element));
  for (std::uint64_t i = 0; i < count;) {
    const std::uint64_t n = std::min(kReadBytes / element, count - i);
    source.read(tensor, i * element, raw.get(), n * element);
    kernels.widen(raw.get(), type, static_cast<std::int64_t>(n), floats.get() + i);
    i += n;
  }
  return floats;
}

std::uint64_t fold_fingerprint(const abi::Source& source, const llorch_tensor& tensor, std::uint64_t hash) {
  const std::uint64_t sample = std::min(tensor.nbytes, kSampleBytes);
  std::byte raw[kSampleBytes];
  hash = hash_bytes(hash, tensor.name.data, tensor.name.size);
  hash = hash_bytes(hash, tensor.dims, tensor.n_dims * sizeof(std::uint64_t));
  hash = hash_bytes(hash, &tensor.dtype, sizeof tensor.dtype);
  source.read(tensor, 0, raw, sample);
  hash = hash_bytes(hash, raw, sample);
  source.read(tensor, tensor.nbytes - sample, raw, sample);
  return hash_bytes(hash, raw, sample);
}

}  // namespace llorch::cpu
