// The classes behind plugin.hpp. Each keeps what it came from alive: context -> model -> plugin.
#pragma once

#include <atomic>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "plugin/host_services.hpp"
#include "plugin/library.hpp"
#include "plugin/plugin.hpp"

namespace llorch::plugin {

class LoadedPlugin final : public Plugin {
 public:
  LoadedPlugin(Info info, std::map<std::string, std::string> options)
      : info_(std::move(info)), services_(info_.id, std::move(options)) {}
  ~LoadedPlugin() override;
  LoadedPlugin(const LoadedPlugin&) = delete;
  LoadedPlugin& operator=(const LoadedPlugin&) = delete;

  /// Calls llorch_plugin_open and checks the table it returns. Once, before anything else.
  [[nodiscard]] Result<void> open(const Library& library);

  [[nodiscard]] const Info& info() const override { return info_; }
  [[nodiscard]] std::vector<llorch_device> devices() const override;
  [[nodiscard]] const std::string& why_no_device() const override { return why_no_device_; }
  [[nodiscard]] Result<void> use_device(std::uint32_t index) override;
  [[nodiscard]] Result<llorch_model_info> probe(const llorch_source& source) const override;
  [[nodiscard]] Result<MemoryUse> estimate_memory(const llorch_source& source,
                                                  const ContextParams& params) const override;
  [[nodiscard]] Result<std::shared_ptr<Model>> create_model(const llorch_source& source) override;

  [[nodiscard]] const llorch_plugin_api& api() const { return api_; }
  [[nodiscard]] HostServices& services() { return services_; }
  [[nodiscard]] const std::string& id() const { return info_.id; }
  /// Adds one report of the plugin to a sum.
  void add_memory(const llorch_memory& memory, MemoryUse& sum) const;

 private:
  [[nodiscard]] Result<llorch_model_params> model_params() const;

  Info info_;
  HostServices services_;
  llorch_plugin* handle_ = nullptr;
  llorch_plugin_api api_{};  ///< a copy: what the plugin's table lacks stays null
  std::vector<std::uint32_t> device_kinds_;
  std::uint32_t device_ = 0;
  std::string why_no_device_;
};

class LoadedModel final : public Model, public std::enable_shared_from_this<LoadedModel> {
 public:
  LoadedModel(std::shared_ptr<LoadedPlugin> plugin, llorch_model* handle, const llorch_model_info& info)
      : plugin_(std::move(plugin)), handle_(handle), info_(info) {}
  ~LoadedModel() override;
  LoadedModel(const LoadedModel&) = delete;
  LoadedModel& operator=(const LoadedModel&) = delete;

  [[nodiscard]] const llorch_model_info& info() const override { return info_; }
  [[nodiscard]] Result<std::unique_ptr<Context>> create_context(const ContextParams& params) override;

  [[nodiscard]] LoadedPlugin& plugin() const { return *plugin_; }
  [[nodiscard]] llorch_model* handle() const { return handle_; }

 private:
  std::shared_ptr<LoadedPlugin> plugin_;
  llorch_model* handle_;
  llorch_model_info info_;
};

class LoadedContext final : public Context {
 public:
  LoadedContext(std::shared_ptr<const LoadedModel> model, llorch_context* handle);
  ~LoadedContext() override;
  LoadedContext(const LoadedContext&) = delete;
  LoadedContext& operator=(const LoadedContext&) = delete;

  [[nodiscard]] Result<Output> forward(std::span<const std::int32_t> tokens, std::span<const std::int32_t> positions,
                                       std::span<const std::int32_t> seq_ids,
                                       std::span<const std::uint32_t> output_flags) override;
  [[nodiscard]] Result<void> kv_seq_remove(std::int32_t seq, std::int32_t p0, std::int32_t p1) override;
  [[nodiscard]] Result<void> kv_seq_copy(std::int32_t src, std::int32_t dst, std::int32_t p0, std::int32_t p1) override;
  [[nodiscard]] Result<void> kv_seq_shift(std::int32_t seq, std::int32_t p0, std::int32_t p1,
                                          std::int32_t delta) override;
  [[nodiscard]] Result<std::optional<std::pair<std::int32_t, std::int32_t>>> kv_seq_range(std::int32_t seq) override;
  [[nodiscard]] Result<std::vector<std::byte>> kv_seq_save(std::int32_t seq) override;
  [[nodiscard]] Result<void> kv_seq_load(std::int32_t seq, std::span<const std::byte> state) override;
  [[nodiscard]] Result<llorch_kv_usage> kv_usage() override;
  [[nodiscard]] Result<void> set_tap(std::uint64_t mask, std::int32_t layer_begin, std::int32_t layer_end,
                                     TapFn fn) override;
  [[nodiscard]] Result<MemoryUse> memory_usage() override;
  void set_cancelled(bool cancelled) noexcept override { cancelled_.store(cancelled, std::memory_order_relaxed); }

 private:
  /// Gives the plugin's event to tap_; an exception of it ends the forward pass and is thrown again behind the
  /// boundary.
  static std::int32_t on_tensor(void* user, const llorch_tap_event* event) noexcept;
  [[nodiscard]] const llorch_plugin_api& api() const { return model_->plugin().api(); }
  [[nodiscard]] const std::string& id() const { return model_->plugin().id(); }

  std::shared_ptr<const LoadedModel> model_;
  llorch_context* handle_;
  std::atomic<bool> cancelled_{false};
  TapFn tap_;
  std::exception_ptr tap_failure_;
};

}  // namespace llorch::plugin
