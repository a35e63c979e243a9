#include "plugin/host_services.hpp"

#include <spdlog/spdlog.h>

#include <string_view>
#include <utility>

namespace llorch::plugin {
namespace {

spdlog::level::level_enum level_of(std::int32_t level) {
  switch (level) {
    case LLORCH_LOG_DEBUG:
      return spdlog::level::debug;
    case LLORCH_LOG_INFO:
      return spdlog::level::info;
    case LLORCH_LOG_WARN:
      return spdlog::level::warn;
    default:
      return level < LLORCH_LOG_DEBUG ? spdlog::level::trace : spdlog::level::err;
  }
}

}  // namespace

HostServices::HostServices(std::string plugin_id, std::map<std::string, std::string> options)
    : plugin_id_(std::move(plugin_id)), options_(std::move(options)) {
  table_.struct_size = sizeof table_;
  table_.abi_version = LLORCH_ABI_VERSION;
  table_.host = this;
  table_.log = &HostServices::log;
  table_.get_option = &HostServices::get_option;
  table_.is_cancelled = &HostServices::is_cancelled;
  table_.get_extension = &HostServices::get_extension;
}

void HostServices::watch(const llorch_context* context, const std::atomic<bool>* flag) {
  const std::unique_lock lock(mutex_);
  flags_[context] = flag;
}

void HostServices::forget(const llorch_context* context) {
  const std::unique_lock lock(mutex_);
  flags_.erase(context);
}

void HostServices::log(void* host, std::int32_t level, llorch_str message) noexcept {
  if (host == nullptr || (message.data == nullptr && message.size != 0)) return;
  const auto& self = *static_cast<const HostServices*>(host);
  try {
    constexpr std::uint64_t kMaxMessage = 4096;
    spdlog::log(level_of(level), "{}: {}", self.plugin_id_,
                std::string_view(message.data, static_cast<std::size_t>(std::min(message.size, kMaxMessage))));
  } catch (...) {  // NOLINT(bugprone-empty-catch): a log line that cannot be written must not end a forward pass
  }
}

llorch_status HostServices::get_option(void* host, const char* key, llorch_str* out) noexcept {
  if (host == nullptr || key == nullptr || out == nullptr) return LLORCH_INVALID_ARGUMENT;
  *out = {nullptr, 0};
  const auto& self = *static_cast<const HostServices*>(host);
  try {
    const auto found = self.options_.find(key);
    if (found == self.options_.end()) return LLORCH_NOT_FOUND;
    *out = {found->second.data(), found->second.size()};
    return LLORCH_OK;
  } catch (...) {
    return LLORCH_OUT_OF_MEMORY;  // the key's copy is all that allocates
  }
}

std::int32_t HostServices::is_cancelled(void* host, const llorch_context* context) noexcept {
  if (host == nullptr) return 0;
  const auto& self = *static_cast<const HostServices*>(host);
  const std::shared_lock lock(self.mutex_);
  const auto found = self.flags_.find(context);
  return found != self.flags_.end() && found->second->load(std::memory_order_relaxed) ? 1 : 0;
}

const void* HostServices::get_extension(void*, const char*) noexcept {
  return nullptr;
}

}  // namespace llorch::plugin
