// The weights of a model as the host hands them over: found, checked, and told apart from those of other models.
#pragma once

#include <llorch/plugin.hpp>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "common/quant/weight_type.hpp"

namespace llorch::common {

using Dims = std::initializer_list<std::uint64_t>;

/// The tensor of that name and shape, of whatever type: the functions below refuse types that they do not know.
inline llorch_tensor weight_tensor(const abi::Source& source, std::string_view name, Dims dims) {
  return source.tensor(name, dims, {});
}

std::string tensor_name(const llorch_tensor& tensor);
/// UNSUPPORTED, naming tensor and type, for types that have no WeightType.
WeightType weight_type(const llorch_tensor& tensor);
/// Elements by the dims. BAD_MODEL: rows that are no whole blocks, or bytes that contradict the shape.
std::uint64_t element_count(const llorch_tensor& tensor);
/// Folds name, shape, type and the first and last few KiB of a tensor into a running hash.
std::uint64_t fold_fingerprint(const abi::Source& source, const llorch_tensor& tensor, std::uint64_t hash);

}  // namespace llorch::common
