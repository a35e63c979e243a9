// Plugin and Model over the ABI.
#include "plugin/plugin.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "plugin/boundary.hpp"
#include "plugin/loaded.hpp"

namespace llorch::plugin {
namespace {

llorch_context_params to_abi(const ContextParams& params) {
  llorch_context_params out{};
  out.struct_size = sizeof out;
  out.max_tokens = params.max_tokens;
  out.max_seqs = params.max_seqs;
  out.max_batch_tokens = params.max_batch_tokens;
  out.max_output_rows = params.max_output_rows;
  out.n_threads = params.n_threads;
  out.kv_dtype_k = params.kv_dtype_k;
  out.kv_dtype_v = params.kv_dtype_v;
  return out;
}

/// Version 1 has no optional function: what a plugin cannot do answers UNSUPPORTED.
Result<void> check_table(const llorch_plugin_api& api, const std::string& id) {
  const std::pair<const char*, bool> functions[] = {
      {"close", api.close != nullptr},
      {"get_extension", api.get_extension != nullptr},
      {"device_at", api.device_at != nullptr},
      {"model_probe", api.model_probe != nullptr},
      {"estimate_memory", api.estimate_memory != nullptr},
      {"model_create", api.model_create != nullptr},
      {"model_destroy", api.model_destroy != nullptr},
      {"context_create", api.context_create != nullptr},
      {"context_destroy", api.context_destroy != nullptr},
      {"forward", api.forward != nullptr},
      {"kv_seq_remove", api.kv_seq_remove != nullptr},
      {"kv_seq_copy", api.kv_seq_copy != nullptr},
      {"kv_seq_shift", api.kv_seq_shift != nullptr},
      {"kv_seq_range", api.kv_seq_range != nullptr},
      {"kv_seq_save", api.kv_seq_save != nullptr},
      {"kv_seq_load", api.kv_seq_load != nullptr},
      {"kv_usage", api.kv_usage != nullptr},
      {"set_tap", api.set_tap != nullptr},
      {"memory_usage", api.memory_usage != nullptr},
  };
  for (const auto& [name, present] : functions) {
    if (!present) {
      return make_error(ErrorCode::kUnsupported,
                        fmt::format("{}: function {} is missing from the table of llorch_plugin_open", id, name));
    }
  }
  return {};
}

struct MemorySink {
  const LoadedPlugin* plugin;
  MemoryUse sum;
  static void add(void* user, const llorch_memory* memory) noexcept {
    auto* self = static_cast<MemorySink*>(user);
    if (self != nullptr && memory != nullptr) self->plugin->add_memory(*memory, self->sum);
  }
};

}  // namespace

std::vector<std::string> capability_names(std::uint64_t caps) {
  constexpr std::pair<std::uint64_t, const char*> kNames[] = {{LLORCH_CAP_MULTI_SEQ, "multi_seq"},
                                                              {LLORCH_CAP_MIXED_BATCH, "mixed_batch"},
                                                              {LLORCH_CAP_KV_PARTIAL_REMOVE, "kv_partial_remove"},
                                                              {LLORCH_CAP_KV_SHIFT, "kv_shift"},
                                                              {LLORCH_CAP_KV_COPY_SHARES, "kv_copy_shares"},
                                                              {LLORCH_CAP_KV_SAVE, "kv_save"},
                                                              {LLORCH_CAP_SOURCE_NOT_RETAINED, "source_not_retained"},
                                                              {LLORCH_CAP_BATCH_INVARIANT, "batch_invariant"}};
  std::vector<std::string> out;
  for (const auto& [bit, name] : kNames) {
    if ((caps & bit) != 0) out.emplace_back(name);
    caps &= ~bit;
  }
  for (unsigned bit = 0; bit < 64; ++bit) {
    if (((caps >> bit) & 1U) != 0) out.push_back(fmt::format("bit {}", bit));
  }
  return out;
}

Result<Info> Plugin::query(const std::filesystem::path& path) {
  auto library = load_library(path);
  if (!library) return library.error();
  return std::move(library->info);
}

Result<std::shared_ptr<Plugin>> Plugin::load(const std::filesystem::path& path,
                                             std::map<std::string, std::string> options) {
  auto library = load_library(path);
  if (!library) return library.error();
  auto plugin = std::make_shared<LoadedPlugin>(library->info, std::move(options));
  if (auto opened = plugin->open(*library); !opened) {
    return make_error(opened.error().code, fmt::format("{}: {}", path.string(), opened.error().message));
  }
  return std::shared_ptr<Plugin>(std::move(plugin));
}

Result<void> LoadedPlugin::open(const Library& library) {
  const llorch_plugin_api* table = nullptr;
  llorch_plugin* handle = nullptr;
  auto opened = checked_call(id(), "llorch_plugin_open", [&](llorch_error* error) {
    return library.open(library.abi, services_.table(), &handle, &table, error);
  });
  if (!opened) return opened.error();
  if (table == nullptr || handle == nullptr) {
    return make_error(ErrorCode::kUnsupported,
                      fmt::format("{}: llorch_plugin_open answered OK without a {}", id(), table ? "handle" : "table"));
  }
  if (table->struct_size < LLORCH_END(llorch_plugin_api, abi_version) || table->abi_version != library.abi) {
    return make_error(ErrorCode::kUnsupported,
                      fmt::format("{}: the table of llorch_plugin_open is not of ABI version {}", id(), library.abi));
  }
  std::memcpy(&api_, table, std::min<std::size_t>(table->struct_size, sizeof api_));
  handle_ = handle;
  if (auto complete = check_table(api_, id()); !complete) return complete.error();
  for (const llorch_device& device : devices())
    device_kinds_.push_back(device.kind);
  if (device_kinds_.empty()) {
    llorch_device none{};
    none.struct_size = sizeof none;
    llorch_error error{};
    error.struct_size = sizeof error;
    (void)at_boundary(id(), "device_at", [&] { return api_.device_at(handle_, 0, &none, &error); });
    error.message[sizeof error.message - 1] = '\0';
    why_no_device_ = one_line(error.message);
    if (why_no_device_.empty()) why_no_device_ = "the plugin does not say why";
  }
  return {};
}

Result<void> LoadedPlugin::use_device(std::uint32_t index) {
  device_ = index;
  const auto params = model_params();
  if (!params) return params.error();
  return {};
}

Result<llorch_model_params> LoadedPlugin::model_params() const {
  if (device_kinds_.empty()) {
    return make_error(ErrorCode::kNotFound, fmt::format("{}: no device: {}", id(), why_no_device_));
  }
  if (device_ >= device_kinds_.size()) {
    return make_error(ErrorCode::kNotFound,
                      fmt::format("{}: no device {}: expected 0 to {}", id(), device_, device_kinds_.size() - 1));
  }
  llorch_model_params out{};
  out.struct_size = sizeof out;
  out.device = device_;
  return out;
}

LoadedPlugin::~LoadedPlugin() {
  if (handle_ == nullptr || api_.close == nullptr) return;
  (void)at_boundary(id(), "close", [&] { return api_.close(handle_), 0; });
}

std::vector<llorch_device> LoadedPlugin::devices() const {
  constexpr std::uint32_t kMaxDevices = 256;
  std::vector<llorch_device> out;
  for (std::uint32_t i = 0; i < kMaxDevices; ++i) {
    llorch_device device{};
    device.struct_size = sizeof device;
    const auto found = checked_call(id(), "device_at",
                                    [&](llorch_error* error) { return api_.device_at(handle_, i, &device, error); });
    if (!found) break;
    device.id[sizeof device.id - 1] = device.name[sizeof device.name - 1] = '\0';
    out.push_back(device);
  }
  return out;
}

Result<llorch_model_info> LoadedPlugin::probe(const llorch_source& source) const {
  llorch_model_info info{};
  info.struct_size = sizeof info;
  const auto probed = checked_call(
      id(), "model_probe", [&](llorch_error* error) { return api_.model_probe(handle_, &source, &info, error); });
  if (!probed) return probed.error();
  if (info.vocab_size == 0 || info.n_layers == 0 || info.max_positions == 0 || info.kv_block_tokens == 0) {
    return make_error(
        ErrorCode::kInternal,
        fmt::format("{}: model_probe gave vocab_size {}, n_layers {}, max_positions {}, kv_block_tokens {}: "
                    "each must be at least 1",
                    id(), info.vocab_size, info.n_layers, info.max_positions, info.kv_block_tokens));
  }
  return info;
}

void LoadedPlugin::add_memory(const llorch_memory& memory, MemoryUse& sum) const {
  switch (memory.kind) {
    case LLORCH_MEMORY_WEIGHTS:
      sum.weights += memory.bytes;
      break;
    case LLORCH_MEMORY_KV:
      sum.kv += memory.bytes;
      break;
    case LLORCH_MEMORY_SCRATCH:
      sum.scratch += memory.bytes;
      break;
    default:
      sum.fixed += memory.bytes;
  }
  const bool elsewhere = memory.device < device_kinds_.size() && device_kinds_[memory.device] != LLORCH_DEVICE_CPU;
  if (elsewhere) sum.device_bytes += memory.bytes;
}

Result<MemoryUse> LoadedPlugin::estimate_memory(const llorch_source& source, const ContextParams& params) const {
  const auto model_params = this->model_params();
  if (!model_params) return model_params.error();
  const llorch_context_params context_params = to_abi(params);
  MemorySink sink{this, {}};
  const auto estimated = checked_call(id(), "estimate_memory", [&](llorch_error* error) {
    return api_.estimate_memory(handle_, &source, &*model_params, &context_params, &MemorySink::add, &sink, error);
  });
  if (!estimated) return estimated.error();
  return sink.sum;
}

Result<std::shared_ptr<Model>> LoadedPlugin::create_model(const llorch_source& source) {
  const auto params = model_params();
  if (!params) return params.error();
  const auto info = probe(source);
  if (!info) return info.error();
  llorch_model* handle = nullptr;
  const auto created = checked_call(id(), "model_create", [&](llorch_error* error) {
    return api_.model_create(handle_, &source, &*params, &handle, error);
  });
  if (!created) return created.error();
  if (handle == nullptr) {
    return make_error(ErrorCode::kInternal, fmt::format("{}: model_create answered OK without a model", id()));
  }
  return std::shared_ptr<Model>(
      std::make_shared<LoadedModel>(std::static_pointer_cast<LoadedPlugin>(shared_from_this()), handle, *info));
}

LoadedModel::~LoadedModel() {
  (void)at_boundary(plugin_->id(), "model_destroy", [&] { return plugin_->api().model_destroy(handle_), 0; });
}

Result<std::unique_ptr<Context>> LoadedModel::create_context(const ContextParams& params) {
  const llorch_context_params context_params = to_abi(params);
  llorch_context* handle = nullptr;
  const auto created = checked_call(plugin_->id(), "context_create", [&](llorch_error* error) {
    return plugin_->api().context_create(handle_, &context_params, &handle, error);
  });
  if (!created) return created.error();
  if (handle == nullptr) {
    return make_error(ErrorCode::kInternal,
                      fmt::format("{}: context_create answered OK without a context", plugin_->id()));
  }
  return std::unique_ptr<Context>(std::make_unique<LoadedContext>(shared_from_this(), handle));
}

Result<MemoryUse> LoadedContext::memory_usage() {
  MemorySink sink{&model_->plugin(), {}};
  const auto measured = checked_call(id(), "memory_usage", [&](llorch_error* error) {
    return api().memory_usage(model_->handle(), handle_, &MemorySink::add, &sink, error);
  });
  if (!measured) return measured.error();
  return sink.sum;
}

}  // namespace llorch::plugin
