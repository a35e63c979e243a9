#include "llama2_cuda/weights.hpp"

#include <string>
#include <vector>

#include "common/base/hash.hpp"
#include "common/source/tensors.hpp"

namespace llorch::llama2_cuda {
namespace {

using common::Dims;
using common::weight_tensor;

struct Checker {
  const abi::Source& source;
  std::uint64_t bytes = 0;

  void matrix(const std::string& name, Dims dims, cuda::DeviceMatrix&) {
    bytes += cuda::matrix_bytes_of(weight_tensor(source, name, dims));
  }
  void floats(const std::string& name, Dims dims, cuda::DeviceVector&) {
    bytes += cuda::vector_bytes_of(weight_tensor(source, name, dims));
  }
};

struct Loader {
  const abi::Source& source;
  cuda::Uploader uploader;
  std::uint64_t fingerprint = common::kHashStart;

  void matrix(const std::string& name, Dims dims, cuda::DeviceMatrix& out) {
    const llorch_tensor tensor = weight_tensor(source, name, dims);
    fingerprint = common::fold_fingerprint(source, tensor, fingerprint);
    out = uploader.matrix(source, tensor);
  }
  void floats(const std::string& name, Dims dims, cuda::DeviceVector& out) {
    const llorch_tensor tensor = weight_tensor(source, name, dims);
    fingerprint = common::fold_fingerprint(source, tensor, fingerprint);
    out = uploader.vector(source, tensor);
  }
};

}  // namespace

std::uint64_t check_weights(const Config& config, const abi::Source& source) {
  Weights none;
  Checker checker{source};
  llama::visit_weights(config, none, checker);
  return checker.bytes;
}

Weights load_weights(const Config& config, const abi::Source& source, cuda::Stream& stream, int n_threads,
                     std::uint64_t* fingerprint) {
  Weights weights;
  Loader loader{source, cuda::Uploader(stream, n_threads)};
  llama::visit_weights(config, weights, loader);
  *fingerprint = loader.fingerprint;
  return weights;
}

std::vector<float> read_rope_divisors(const Config& config, const abi::Source& source) {
  if (!config.has_rope_freqs) return {};
  const auto pairs = static_cast<std::uint64_t>(config.rope.rotated / 2);
  return cuda::read_floats(source, weight_tensor(source, "rope_freqs.weight", {pairs}));
}

}  // namespace llorch::llama2_cuda
