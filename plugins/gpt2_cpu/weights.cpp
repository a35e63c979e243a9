#include "gpt2_cpu/weights.hpp"

#include <initializer_list>

#include "cpu/base/hash.hpp"

namespace llorch::gpt2_cpu {
namespace {

using Dims = std::initializer_list<std::uint64_t>;

struct Checker {
  const abi::Source& source;
  std::uint64_t bytes = 0;

  void matrix(const std::string& name, Dims dims, cpu::PackedMatrix&) {
    bytes += cpu::packed_bytes(cpu::weight_tensor(source, name, dims));
  }
  void floats(const std::string& name, Dims dims, cpu::FloatBuffer&) {
    bytes += cpu::floats_bytes(cpu::weight_tensor(source, name, dims));
  }
};

struct Loader {
  const abi::Source& source;
  const cpu::KernelTable& kernels;
  int n_threads;
  std::uint64_t fingerprint = cpu::kHashStart;

  void matrix(const std::string& name, Dims dims, cpu::PackedMatrix& out) {
    const llorch_tensor tensor = cpu::weight_tensor(source, name, dims);
    fingerprint = cpu::fold_fingerprint(source, tensor, fingerprint);
    out = cpu::load_packed(source, tensor, n_threads);
  }
  void floats(const std::string& name, Dims dims, cpu::FloatBuffer& out) {
    const llorch_tensor tensor = cpu::weight_tensor(source, name, dims);
    fingerprint = cpu::fold_fingerprint(source, tensor, fingerprint);
    out = cpu::load_floats(source, tensor, kernels);
  }
};

}  // namespace

std::uint64_t check_weights(const Config& config, const abi::Source& source) {
  Weights none;
  none.layers.resize(static_cast<std::size_t>(config.n_layers));
  Checker checker{source};
  visit_weights(config, none, checker);
  return checker.bytes;
}

Weights load_weights(const Config& config, const abi::Source& source, const cpu::KernelTable& kernels, int n_threads,
                     std::uint64_t* fingerprint) {
  Weights weights;
  weights.layers.resize(static_cast<std::size_t>(config.n_layers));
  Loader loader{source, kernels, n_threads};
  visit_weights(config, weights, loader);
  *fingerprint = loader.fingerprint;
  return weights;
}

}  // namespace llorch::gpt2_cpu
