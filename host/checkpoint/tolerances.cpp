#include "checkpoint/tolerances.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "model_file/ggml_type.hpp"

namespace llorch::checkpoint {

double Tolerance::of(std::span<const float> expected) const {
  double sum = 0.0;
  std::size_t count = 0;
  for (const float x : expected) {
    if (!std::isfinite(x)) continue;
    sum += double{x} * double{x};
    ++count;
  }
  return absolute + (count == 0 ? 0.0 : relative * std::sqrt(sum / static_cast<double>(count)));
}

Tolerances quantized_tolerances() {
  Tolerances out;
  out.rotated = {1e-5, 0.04};
  out.qkv = {1e-4, 0.04};
  out.scores = {1e-4, 0.06};
  out.attention = {1e-4, 0.08};
  out.ffn = {1e-4, 0.15};
  out.block = {1e-4, 0.10};
  out.later_norm = {1e-5, 0.10};
  out.logits = {1e-3, 0.10};
  out.probabilities = 0.05;
  return out;
}

Tolerances tolerances_for(const model_file::ModelFile& file) {
  const auto quantized = [](const auto& tensor) {
    const auto type = model_file::ggml_type_info(tensor.ggml_type);
    return type && type->block > 1;
  };
  return std::any_of(file.tensors().begin(), file.tensors().end(), quantized) ? quantized_tolerances() : Tolerances{};
}

}  // namespace llorch::checkpoint
