// An immutable Llama model in memory, shared by its contexts.
#pragma once

#include <llorch/plugin_table.hpp>

#include <cstdint>
#include <memory>

#include "cpu/kernels/kernel_table.hpp"
#include "llama2_cpu/context.hpp"
#include "llama2_cpu/weights.hpp"

namespace llorch::llama2_cpu {

/// [any-thread] once constructed.
class Model {
 public:
  /// Reads all weights; nothing of the source is kept. n_threads read and pack at the same time.
  Model(const abi::Source& source, abi::Host host, const cpu::KernelTable& kernels, int n_threads);

  [[nodiscard]] const Config& config() const { return config_; }
  [[nodiscard]] const Weights& weights() const { return weights_; }
  [[nodiscard]] const common::Rope& rope() const { return rope_; }
  [[nodiscard]] const cpu::KernelTable& kernels() const { return kernels_; }
  [[nodiscard]] const abi::Host& host() const { return host_; }
  /// Tells models apart whose saved KV states must not be mixed up.
  [[nodiscard]] std::uint64_t fingerprint() const { return fingerprint_; }

  [[nodiscard]] std::unique_ptr<Context> create_context(const llorch_context_params& params) const;
  void memory_usage(const abi::MemoryReport& report) const;

 private:
  abi::Host host_;
  const cpu::KernelTable& kernels_;
  Config config_;
  std::uint64_t bytes_ = 0;
  std::uint64_t fingerprint_ = 0;
  Weights weights_;
  common::Rope rope_;
};

}  // namespace llorch::llama2_cpu
