#include "llama2_cpu/model.hpp"

#include "cpu/base/hash.hpp"

namespace llorch::llama2_cpu {
namespace {

cpu::RopeSettings with_divisors(const Config& config, const Weights& weights) {
  cpu::RopeSettings rope = config.rope;
  if (config.has_rope_freqs) {
    rope.divisors.assign(weights.rope_freqs.get(), weights.rope_freqs.get() + rope.rotated / 2);
  }
  return rope;
}

}  // namespace

Model::Model(const abi::Source& source, abi::Host host, const cpu::KernelTable& kernels, int n_threads)
    : host_(host),
      kernels_(kernels),
      config_(read_config(source)),
      bytes_(check_weights(config_, source)),
      weights_(load_weights(config_, source, kernels, n_threads, &fingerprint_)),
      rope_(with_divisors(config_, weights_)) {
  // Keys are kept rotated: a state fits only a model that turns them the same way.
  const auto& frequencies = rope_.frequencies();
  const float scale = rope_.scale();
  fingerprint_ = cpu::hash_bytes(fingerprint_, frequencies.data(), sizeof(float) * frequencies.size());
  fingerprint_ = cpu::hash_bytes(fingerprint_, &scale, sizeof scale);
  fingerprint_ = cpu::hash_bytes(fingerprint_, &config_.window, sizeof config_.window);
  fingerprint_ = cpu::hash_bytes(fingerprint_, &config_.norm_eps, sizeof config_.norm_eps);
}

const cpu::PackedView& Model::head() const {
  return config_.tied_output ? weights_.token_embd.view() : weights_.output.view();
}

std::unique_ptr<Context> Model::create_context(const llorch_context_params& params) const {
  return std::make_unique<Context>(*this, cpu::context_limits(config_.n_positions, params));
}

void Model::memory_usage(const abi::MemoryReport& report) const {
  report.add(LLORCH_MEMORY_WEIGHTS, bytes_);
}

}  // namespace llorch::llama2_cpu
