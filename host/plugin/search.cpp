// Where plugins are looked for.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <system_error>

#include "plugin/plugin.hpp"

namespace llorch::plugin {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSuffix = ".so";

/// A name found in a directory must be a file of that directory: a link that leads out of it would let whoever may
/// write there choose any file of the machine.
Result<void> check_inside(const fs::path& directory, const fs::path& file) {
  std::error_code code;
  const fs::path real_directory = fs::canonical(directory, code);
  if (code) return make_error(ErrorCode::kIo, fmt::format("{}: {}", directory.string(), code.message()));
  const fs::path real_file = fs::canonical(file, code);
  if (code) return make_error(ErrorCode::kIo, fmt::format("{}: {}", file.string(), code.message()));
  const auto [mismatch, rest] =
      std::mismatch(real_directory.begin(), real_directory.end(), real_file.begin(), real_file.end());
  if (mismatch == real_directory.end()) return {};
  return make_error(ErrorCode::kUnsupported, fmt::format("{}: refused: it leads to {}, outside the plugin directory {}",
                                                         file.string(), real_file.string(), directory.string()));
}

Result<std::shared_ptr<Plugin>> probed(Result<std::shared_ptr<Plugin>> loaded, const fs::path& path,
                                       const llorch_source& source) {
  if (!loaded) return loaded;
  const auto info = (*loaded)->probe(source);
  if (!info) return make_error(info.error().code, fmt::format("{}: {}", path.string(), info.error().message));
  return loaded;
}

}  // namespace

std::vector<fs::path> search_directories(const fs::path& extra) {
  std::vector<fs::path> out;
  if (!extra.empty()) out.push_back(extra);
  std::error_code code;
  const fs::path executable = fs::read_symlink("/proc/self/exe", code);
  if (code) return out;
  const fs::path prefix = executable.parent_path().parent_path();
  out.push_back(prefix / "lib" / "llorch" / "plugins");
#ifdef LLORCH_MULTIARCH
  out.push_back(prefix / "lib" / LLORCH_MULTIARCH / "llorch" / "plugins");
#endif
  out.push_back(prefix / "lib64" / "llorch" / "plugins");
  return out;
}

Result<fs::path> find_plugin(const std::string& name, const fs::path& extra) {
  std::error_code code;
  if (name.empty()) return make_error(ErrorCode::kInvalidArgument, "plugin name is empty");
  if (name.find('/') != std::string::npos) {  // a path is taken as it is given
    if (fs::exists(name, code)) return fs::path(name);
    return make_error(ErrorCode::kNotFound, fmt::format("{}: no such plugin file", name));
  }
  const std::string file = name.ends_with(kSuffix) ? name : name + kSuffix;
  std::string looked;
  for (const fs::path& directory : search_directories(extra)) {
    const fs::path candidate = directory / file;
    if (fs::exists(fs::symlink_status(candidate, code))) {
      if (auto inside = check_inside(directory, candidate); !inside) return inside.error();
      return candidate;
    }
    looked += (looked.empty() ? "" : ", ") + directory.string();
  }
  return make_error(ErrorCode::kNotFound, fmt::format("plugin {}: no {} in {}", name, file, looked));
}

std::vector<fs::path> list_plugins(const fs::path& extra) {
  std::vector<fs::path> out;
  std::set<std::string> names;  // the first directory wins, as in find_plugin()
  for (const fs::path& directory : search_directories(extra)) {
    std::error_code code;
    std::vector<fs::path> here;
    for (fs::directory_iterator it(directory, code), end; !code && it != end; it.increment(code)) {
      if (it->path().extension() == kSuffix) here.push_back(it->path());
    }
    for (const fs::path& path : here) {
      if (names.insert(path.filename().string()).second) out.push_back(path);
    }
  }
  std::sort(out.begin(), out.end(),
            [](const fs::path& a, const fs::path& b) { return a.filename().string() < b.filename().string(); });
  return out;
}

Result<void> check_directory(const fs::path& extra) {
  std::error_code code;
  if (extra.empty() || fs::is_directory(extra, code)) return {};
  return make_error(ErrorCode::kNotFound, fmt::format("plugin_dir: expected a directory, found {} at {}",
                                                      fs::exists(extra, code) ? "a file" : "nothing", extra.string()));
}

Result<std::shared_ptr<Plugin>> load_listed(const fs::path& path) {
  if (auto inside = check_inside(path.parent_path(), path); !inside) return inside.error();
  return Plugin::load(path);
}

Result<std::shared_ptr<Plugin>> choose_plugin(const std::string& name, const fs::path& extra,
                                              const llorch_source& source) {
  if (auto there = check_directory(extra); !there) return there.error();
  if (!name.empty()) {
    const auto path = find_plugin(name, extra);
    if (!path) return path.error();
    return probed(Plugin::load(*path), *path, source);
  }
  std::string refusals;
  for (const fs::path& path : list_plugins(extra)) {
    auto candidate = probed(load_listed(path), path, source);
    if (candidate && (*candidate)->why_no_device().empty()) return candidate;
    if (candidate) {
      refusals += fmt::format("{}{}: no device: {}", refusals.empty() ? "" : "; ", (*candidate)->info().id,
                              (*candidate)->why_no_device());
      continue;
    }
    refusals += (refusals.empty() ? "" : "; ") + candidate.error().message;
  }
  if (refusals.empty()) {
    for (const fs::path& directory : search_directories(extra)) {
      refusals += (refusals.empty() ? "none is installed in " : ", ") + directory.string();
    }
  }
  return make_error(ErrorCode::kUnsupported, fmt::format("no plugin can run this model: {}", refusals));
}

}  // namespace llorch::plugin
