#include "llama2_cpu/model.hpp"

#include "llama/model.hpp"

namespace llorch::llama2_cpu {

Model::Model(const abi::Source& source, abi::Host host, const cpu::KernelTable& kernels, int n_threads)
    : host_(host),
      kernels_(kernels),
      config_(llama::read_config(source)),
      bytes_(check_weights(config_, source)),
      weights_(load_weights(config_, source, kernels, n_threads, &fingerprint_)),
      rope_(llama::make_rope(config_, weights_.rope_freqs.get())) {
  fingerprint_ = llama::model_fingerprint(fingerprint_, config_, rope_);
}

std::unique_ptr<Context> Model::create_context(const llorch_context_params& params) const {
  return std::make_unique<Context>(*this, common::context_limits(config_.n_positions, params, common::KvType::kF32));
}

void Model::memory_usage(const abi::MemoryReport& report) const {
  report.add(LLORCH_MEMORY_WEIGHTS, bytes_);
}

}  // namespace llorch::llama2_cpu
