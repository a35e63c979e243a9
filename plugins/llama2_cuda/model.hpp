// An immutable Llama model on a device, shared by its contexts.
#pragma once

#include <llorch/plugin_table.hpp>

#include <cstdint>
#include <memory>

#include "common/rope/rope.hpp"
#include "cuda/device/runtime.hpp"
#include "llama2_cuda/context.hpp"
#include "llama2_cuda/weights.hpp"

namespace llorch::llama2_cuda {

/// A device of the list that the host sees.
struct ChosenDevice {
  std::uint32_t index = 0;  ///< in that list
  cuda::DeviceInfo info;
};

/// What a cache holds where the caller leaves it open.
inline constexpr common::KvType kDefaultKvType = common::KvType::kF16;

/// The environment variable that lets no kernel begin before the one in front of it has ended.
inline constexpr const char* kOverlapSwitch = "LLORCH_CUDA_OVERLAP";
/// The one that gives decode steps to the device launch by launch.
inline constexpr const char* kGraphsSwitch = "LLORCH_CUDA_GRAPHS";

/// [any-thread] once constructed.
class Model {
 public:
  /// Reads all weights; nothing of the source is kept. OUT_OF_MEMORY, before anything is allocated, names the bytes
  /// that they take and those that are free.
  Model(const abi::Source& source, abi::Host host, const ChosenDevice& device, int n_threads);

  [[nodiscard]] const Config& config() const { return config_; }
  [[nodiscard]] const Weights& weights() const { return weights_; }
  [[nodiscard]] const common::Rope& rope() const { return rope_; }
  [[nodiscard]] const abi::Host& host() const { return host_; }
  [[nodiscard]] int device() const { return device_.info.index; }             ///< for the runtime
  [[nodiscard]] std::uint32_t device_index() const { return device_.index; }  ///< for the host
  /// Tells models apart whose saved KV states must not be mixed up.
  [[nodiscard]] std::uint64_t fingerprint() const { return fingerprint_; }

  /// OUT_OF_MEMORY as the constructor.
  [[nodiscard]] std::unique_ptr<Context> create_context(const llorch_context_params& params) const;
  void memory_usage(const abi::MemoryReport& report) const;

 private:
  Weights upload(const abi::Source& source, int n_threads);

  abi::Host host_;
  ChosenDevice device_;
  Config config_;
  std::uint64_t bytes_ = 0;
  std::uint64_t fingerprint_ = 0;
  common::Rope rope_;
  Weights weights_;
};

}  // namespace llorch::llama2_cuda
