#include "plugin/library.hpp"

#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>

// Boost.DLL with the standard library's paths needs no Boost.Filesystem at run time.
#define BOOST_DLL_USE_STD_FS
#include <algorithm>
#include <boost/dll/shared_library.hpp>
#include <cerrno>
#include <mutex>
#include <string>
#include <system_error>
#include <vector>

#include "plugin/boundary.hpp"
#include "plugin/elf_file.hpp"

namespace llorch::plugin {
namespace {

constexpr const char* kQuerySymbol = "llorch_plugin_query";
constexpr const char* kOpenSymbol = "llorch_plugin_open";
constexpr std::uint32_t kHostAbiMin = LLORCH_ABI_VERSION;
constexpr std::uint32_t kHostAbiMax = LLORCH_ABI_VERSION;

/// Whoever may write the file, or put another one in its place, decides what runs in this process.
Result<void> check_permissions(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    const int number = errno;
    return make_error(
        number == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo,
        fmt::format("{}: cannot open the plugin: {}", path.string(), std::generic_category().message(number)));
  }
  if ((status.st_mode & S_IWOTH) != 0) {
    return make_error(
        ErrorCode::kUnsupported,
        fmt::format("{}: refused: everyone may write this file (mode {:04o}); remove the right with chmod o-w",
                    path.string(), status.st_mode & 07777U));
  }
  // Of the file itself, not of a link to it.
  std::error_code code;
  const std::filesystem::path real = std::filesystem::canonical(path, code);
  const std::filesystem::path parent = code ? std::filesystem::absolute(path).parent_path() : real.parent_path();
  if (::stat(parent.c_str(), &status) == 0 && (status.st_mode & S_IWOTH) != 0 && (status.st_mode & S_ISVTX) == 0) {
    return make_error(ErrorCode::kUnsupported,
                      fmt::format("{}: refused: everyone may write its directory (mode {:04o})", path.string(),
                                  status.st_mode & 07777U));
  }
  return {};
}

Error missing_symbol(const std::filesystem::path& path, const char* symbol) {
  return make_error(ErrorCode::kUnsupported,
                    fmt::format("{}: not a llorch plugin: symbol {} is missing", path.string(), symbol));
}

/// Loads and keeps. A plugin is never unloaded: its threads, thread-local destructors and at-exit handlers may outlive
/// any moment that we could choose.
Result<boost::dll::shared_library> load_for_ever(const std::filesystem::path& path) {
  static std::mutex mutex;
  static auto& kept = *new std::vector<boost::dll::shared_library>();  // not destroyed at exit either
  try {
    boost::dll::shared_library library(std::filesystem::absolute(path),
                                       boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
    const std::scoped_lock lock(mutex);
    kept.push_back(library);
    return library;
  } catch (const std::exception& error) {
    return make_error(ErrorCode::kUnsupported, fmt::format("{}: cannot load: {}", path.string(), error.what()));
  }
}

std::string bounded(const char* text, std::size_t size) {
  return {text, std::find(text, text + size, '\0')};
}

Result<Info> ask_who(const std::filesystem::path& path, decltype(&llorch_plugin_query) query) {
  llorch_plugin_info raw{};
  raw.struct_size = sizeof raw;
  const std::string who = path.string();
  const auto called = at_boundary(who, "llorch_plugin_query", [&] { return query(&raw); });
  if (!called) return called.error();
  if (*called != LLORCH_OK) {
    return make_error(ErrorCode::kUnsupported,
                      fmt::format("{}: llorch_plugin_query answered {}", who, status_name(*called)));
  }
  Info info;
  info.id = bounded(raw.id, sizeof raw.id);
  info.version = bounded(raw.version, sizeof raw.version);
  info.build = bounded(raw.build, sizeof raw.build);
  info.abi_min = raw.abi_min;
  info.abi_max = raw.abi_max;
  info.caps = raw.caps;
  info.architectures = bounded(raw.architectures, sizeof raw.architectures);
  info.path = path;
  if (info.id.empty()) {
    return make_error(ErrorCode::kUnsupported, fmt::format("{}: llorch_plugin_query gave an empty id", who));
  }
  return info;
}

}  // namespace

Result<Library> load_library(const std::filesystem::path& path) {
  if (auto allowed = check_permissions(path); !allowed) return allowed.error();
  const auto elf = read_elf_file(path);
  if (!elf) return elf.error();
  for (const char* symbol : {kQuerySymbol, kOpenSymbol}) {
    if (elf->exported && std::find(elf->exported->begin(), elf->exported->end(), symbol) == elf->exported->end()) {
      return missing_symbol(path, symbol);
    }
  }
  const auto loaded = load_for_ever(path);
  if (!loaded) return loaded.error();
  for (const char* symbol : {kQuerySymbol, kOpenSymbol}) {
    if (!loaded->has(symbol)) return missing_symbol(path, symbol);
  }

  auto info = ask_who(path, &loaded->get<decltype(llorch_plugin_query)>(kQuerySymbol));
  if (!info) return info.error();
  if (info->abi_min > kHostAbiMax || info->abi_max < kHostAbiMin || info->abi_min > info->abi_max) {
    return make_error(
        ErrorCode::kUnsupported,
        fmt::format("{}: plugin {} {} speaks ABI versions {} to {}, this host speaks {} to {}", path.string(), info->id,
                    info->version, info->abi_min, info->abi_max, kHostAbiMin, kHostAbiMax));
  }
  Library out;
  out.abi = std::min(info->abi_max, kHostAbiMax);
  out.info = std::move(*info);
  out.open = &loaded->get<decltype(llorch_plugin_open)>(kOpenSymbol);
  return out;
}

}  // namespace llorch::plugin
