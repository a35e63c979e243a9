#include "llama2_cuda/model.hpp"

#include <string>

#include "common/base/failure.hpp"
#include "cuda/device/switches.hpp"
#include "llama/model.hpp"

namespace llorch::llama2_cuda {
namespace {

/// OUT_OF_MEMORY where the device has less left.
void require_free(const ChosenDevice& device, std::uint64_t bytes, const char* what) {
  const std::uint64_t free = cuda::free_device_bytes(device.info.index);
  if (bytes > free) {
    common::fail(LLORCH_OUT_OF_MEMORY, what, ": ", bytes, " bytes of device memory wanted, ", free, " of ",
                 device.info.total_bytes, " free on ", device.info.name);
  }
}

}  // namespace

Model::Model(const abi::Source& source, abi::Host host, const ChosenDevice& device, int n_threads)
    : host_(host),
      device_(device),
      config_(llama::read_config(source)),
      bytes_(check_weights(config_, source)),
      rope_(llama::make_rope(config_, read_rope_divisors(config_, source).data())),
      weights_(upload(source, n_threads)) {
  fingerprint_ = llama::model_fingerprint(fingerprint_, config_, rope_);
}

Weights Model::upload(const abi::Source& source, int n_threads) {
  // Before everything is read rather than after: contexts ask again.
  for (const char* name : {kOverlapSwitch, kGraphsSwitch})
    (void)cuda::switched_on(name);
  require_free(device_, bytes_, "weights");
  cuda::Stream stream(device());
  return load_weights(config_, source, stream, n_threads, &fingerprint_);
}

std::unique_ptr<Context> Model::create_context(const llorch_context_params& params) const {
  const common::ContextLimits limits = common::context_limits(config_.n_positions, params, kDefaultKvType);
  const ContextBytes bytes = context_bytes(config_, limits);
  require_free(device_, bytes.kv + bytes.scratch, "KV cache and scratch memory");
  auto context = std::make_unique<Context>(*this, limits);
  const std::string why_not =
      cuda::switched_on(kOverlapSwitch) ? cuda::why_no_overlap(device()) : std::string(kOverlapSwitch) + " is 0";
  host_.log(LLORCH_LOG_INFO, device_.info.name + ", " + cuda::runtime_version() + ": kernels " +
                                 (why_not.empty() ? "overlap" : "follow one another, " + why_not));
  return context;
}

void Model::memory_usage(const abi::MemoryReport& report) const {
  report.add(LLORCH_MEMORY_WEIGHTS, bytes_, device_.index);
}

}  // namespace llorch::llama2_cuda
