// The ABI shim: what this plugin is, which models it runs, and the two exported symbols.
#include <llorch/plugin_table.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>

#include "cpu/kernels/select.hpp"
#include "llama/model.hpp"
#include "llama2_cpu/context.hpp"
#include "llama2_cpu/model.hpp"

namespace llorch::llama2_cpu {
namespace {

// Packing weights is bounded by memory: more threads than this do not make it faster.
constexpr unsigned kMostLoadThreads = 4;

class Plugin {
 public:
  using Model = llama2_cpu::Model;
  using Context = llama2_cpu::Context;
  static constexpr std::string_view kArchitectures = "llama";
  static constexpr std::uint64_t kCapabilities = llama::kCapabilities;

  /// UNSUPPORTED when LLORCH_CPU_ISA names an instruction set that this machine lacks.
  explicit Plugin(abi::Host host) : host_(host), kernels_(cpu::select_kernels(cpu::forced_instruction_set())) {}

  static std::optional<llorch_device> device(std::uint32_t index) {
    if (index != 0) return {};
    llorch_device cpu{};
    cpu.kind = LLORCH_DEVICE_CPU;
    abi::put_text(cpu.id, "cpu");
    abi::put_text(cpu.name, "CPU");
    return cpu;
  }

  static llorch_model_info probe(const abi::Source& source) {
    const Config config = llama::read_config(source);
    check_weights(config, source);
    return llama::model_info(config);
  }

  void estimate_memory(const abi::Source& source, const llorch_model_params& model,
                       const llorch_context_params& context, const abi::MemoryReport& report) const {
    check_device(model);
    const Config config = llama::read_config(source);
    const ContextBytes bytes =
        context_bytes(config, common::context_limits(config.n_positions, context, common::KvType::kF32));
    report.add(LLORCH_MEMORY_WEIGHTS, check_weights(config, source));
    report.add(LLORCH_MEMORY_KV, bytes.kv);
    report.add(LLORCH_MEMORY_SCRATCH, bytes.scratch);
  }

  [[nodiscard]] std::unique_ptr<Model> create_model(const abi::Source& source,
                                                    const llorch_model_params& params) const {
    check_device(params);
    const unsigned threads = std::clamp(std::thread::hardware_concurrency(), 1u, kMostLoadThreads);
    return std::make_unique<Model>(source, host_, kernels_, static_cast<int>(threads));
  }

 private:
  static void check_device(const llorch_model_params& params) {
    if (params.device != 0) abi::fail(LLORCH_NOT_FOUND, "device ", params.device, ": there is only device 0, the CPU");
  }

  abi::Host host_;
  const cpu::KernelTable& kernels_;
};

}  // namespace
}  // namespace llorch::llama2_cpu

LLORCH_DEFINE_PLUGIN(llorch::llama2_cpu::Plugin, "llama2_cpu", LLORCH_VERSION, LLORCH_BUILD);
