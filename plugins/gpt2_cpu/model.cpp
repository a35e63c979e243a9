#include "gpt2_cpu/model.hpp"

namespace llorch::gpt2_cpu {

Model::Model(const abi::Source& source, abi::Host host, const cpu::KernelTable& kernels, int n_threads)
    : host_(host),
      kernels_(kernels),
      config_(read_config(source)),
      bytes_(check_weights(config_, source)),
      weights_(load_weights(config_, source, kernels, n_threads, &fingerprint_)) {}

const cpu::PackedView& Model::head() const {
  return config_.tied_output ? weights_.token_embd.view() : weights_.output.view();
}

std::unique_ptr<Context> Model::create_context(const llorch_context_params& params) const {
  return std::make_unique<Context>(*this, common::context_limits(config_.n_positions, params, common::KvType::kF32));
}

void Model::memory_usage(const abi::MemoryReport& report) const {
  report.add(LLORCH_MEMORY_WEIGHTS, bytes_);
}

}  // namespace llorch::gpt2_cpu
