#include "common/source/tensors.hpp"

#include <algorithm>
#include <cstddef>

#include "common/base/failure.hpp"
#include "common/base/hash.hpp"
#include "common/base/sizes.hpp"
#include "common/quant/block_formats.hpp"
#include "common/quant/dequantize.hpp"

namespace llorch::common {
namespace {

constexpr std::uint64_t kSampleBytes = 4096;
constexpr std::uint32_t kDtypeOfGguf = 0x100;  // llorch_tensor.dtype = this + GGUF's id of the type

/// Elements that are stored together: rows hold whole blocks.
std::uint64_t block_columns(WeightType type) {
  return is_quantized(type) ? static_cast<std::uint64_t>(block_format(type)->columns) : 1;
}

}  // namespace

std::string tensor_name(const llorch_tensor& tensor) {
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
      break;
  }
  const BlockFormat* format = tensor.dtype < kDtypeOfGguf ? nullptr : block_format_of_gguf(tensor.dtype - kDtypeOfGguf);
  if (format == nullptr) {
    fail(LLORCH_UNSUPPORTED, "tensor ", tensor_name(tensor),
         ": expected F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL or IQ4_XS, "
         "found ",
         abi::dtype_text(tensor.dtype));
  }
  return format->type;
}

std::uint64_t element_count(const llorch_tensor& tensor) {
  std::uint64_t count = 1;
  const std::string name = tensor_name(tensor);
  for (std::uint32_t i = 0; i < tensor.n_dims; ++i)
    count = checked_product(count, tensor.dims[i], name.c_str());
  const WeightType type = weight_type(tensor);
  if (tensor.n_dims == 0 || tensor.dims[tensor.n_dims - 1] % block_columns(type) != 0) {
    fail(LLORCH_BAD_MODEL, "tensor ", name, ": expected rows of whole blocks of ", block_columns(type),
         " values, found ", tensor.n_dims == 0 ? 0 : tensor.dims[tensor.n_dims - 1]);
  }
  const std::uint64_t bytes = stored_bytes(type, checked_product(count, 4, name.c_str()) / 4);
  if (bytes != tensor.nbytes) {
    fail(LLORCH_BAD_MODEL, "tensor ", name, ": expected ", bytes, " bytes by its shape, found ", tensor.nbytes);
  }
  return count;
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

}  // namespace llorch::common
