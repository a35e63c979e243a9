// What the host offers to a plugin: log, options, cancellation.
#pragma once

#include <llorch/llorch_plugin.h>

#include <atomic>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <unordered_map>

namespace llorch::plugin {

/// Behind llorch_host_api. One per opened plugin; must outlive the plugin's close(). [any-thread]
class HostServices {
 public:
  HostServices(std::string plugin_id, std::map<std::string, std::string> options);
  HostServices(const HostServices&) = delete;
  HostServices& operator=(const HostServices&) = delete;

  [[nodiscard]] const llorch_host_api* table() const { return &table_; }
  /// From now on is_cancelled(context) answers with `*flag`, which lives until forget().
  void watch(const llorch_context* context, const std::atomic<bool>* flag);
  void forget(const llorch_context* context);

 private:
  static void log(void* host, std::int32_t level, llorch_str message) noexcept;
  static llorch_status get_option(void* host, const char* key, llorch_str* out) noexcept;
  static std::int32_t is_cancelled(void* host, const llorch_context* context) noexcept;
  static const void* get_extension(void* host, const char* id) noexcept;

  std::string plugin_id_;
  std::map<std::string, std::string> options_;
  mutable std::shared_mutex mutex_;
  std::unordered_map<const llorch_context*, const std::atomic<bool>*> flags_;
  llorch_host_api table_{};
};

}  // namespace llorch::plugin
