// The ABI shim: what this plugin is, which models and devices it runs, and the two exported symbols. CUDA's driver is
// not touched before the host asks for a device.
#include <llorch/plugin_table.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "cuda/device/runtime.hpp"
#include "llama/model.hpp"
#include "llama2_cuda/context.hpp"
#include "llama2_cuda/model.hpp"

namespace llorch::llama2_cuda {
namespace {

// Packing weights is bounded by memory: more threads than this do not make it faster.
constexpr unsigned kMostLoadThreads = 8;

class Plugin {
 public:
  using Model = llama2_cuda::Model;
  using Context = llama2_cuda::Context;
  static constexpr std::string_view kArchitectures = "llama";
  static constexpr std::uint64_t kCapabilities = llama::kCapabilities;

  explicit Plugin(abi::Host host) : host_(host) {}

  /// NOT_FOUND, saying why, where there is none at all.
  static std::optional<llorch_device> device(std::uint32_t index) {
    const cuda::DeviceList list = cuda::list_devices();
    if (list.devices.empty()) abi::fail(LLORCH_NOT_FOUND, list.reason);
    if (index >= list.devices.size()) return {};
    const cuda::DeviceInfo& info = list.devices[index];
    llorch_device out{};
    out.kind = LLORCH_DEVICE_GPU;
    out.mem_total = info.total_bytes;
#if defined(LLORCH_CUDA_EMULATION)
    abi::put_text(out.id, "emulated:" + std::to_string(info.index));
#else
    abi::put_text(out.id, "cuda:" + std::to_string(info.index));
#endif
    abi::put_text(out.name, info.name);
    return out;
  }

  static llorch_model_info probe(const abi::Source& source) {
    const Config config = llama::read_config(source);
    check_weights(config, source);
    return llama::model_info(config);
  }

  static void estimate_memory(const abi::Source& source, const llorch_model_params& model,
                              const llorch_context_params& context, const abi::MemoryReport& report) {
    const Config config = llama::read_config(source);
    const ContextBytes bytes =
        context_bytes(config, common::context_limits(config.n_positions, context, kDefaultKvType));
    report.add(LLORCH_MEMORY_WEIGHTS, check_weights(config, source), model.device);
    report.add(LLORCH_MEMORY_KV, bytes.kv, model.device);
    report.add(LLORCH_MEMORY_SCRATCH, bytes.scratch, model.device);
    report.add(LLORCH_MEMORY_SCRATCH, bytes.pinned, LLORCH_HOST_MEMORY);
  }

  [[nodiscard]] std::unique_ptr<Model> create_model(const abi::Source& source,
                                                    const llorch_model_params& params) const {
    const cuda::DeviceList list = cuda::list_devices();
    if (list.devices.empty()) abi::fail(LLORCH_NOT_FOUND, "no device: ", list.reason);
    if (params.device >= list.devices.size()) {
      abi::fail(LLORCH_NOT_FOUND, "device ", params.device, ": expected 0 to ", list.devices.size() - 1);
    }
    const unsigned threads = std::clamp(std::thread::hardware_concurrency(), 1u, kMostLoadThreads);
    return std::make_unique<Model>(source, host_, ChosenDevice{params.device, list.devices[params.device]},
                                   static_cast<int>(threads));
  }

 private:
  abi::Host host_;
};

}  // namespace
}  // namespace llorch::llama2_cuda

LLORCH_DEFINE_PLUGIN(llorch::llama2_cuda::Plugin, "llama2_cuda", LLORCH_VERSION, LLORCH_BUILD);
