#include "llama2_cpu/weights.hpp"

#include "cpu/source/weight_visitors.hpp"

namespace llorch::llama2_cpu {

std::uint64_t check_weights(const Config& config, const abi::Source& source) {
  Weights none;
  cpu::WeightChecker checker{source};
  visit_weights(config, none, checker);
  return checker.bytes;
}

Weights load_weights(const Config& config, const abi::Source& source, const cpu::KernelTable& kernels, int n_threads,
                     std::uint64_t* fingerprint) {
  Weights weights;
  cpu::WeightLoader loader{source, kernels, n_threads};
  visit_weights(config, weights, loader);
  *fingerprint = loader.fingerprint;
  return weights;
}

}  // namespace llorch::llama2_cpu
