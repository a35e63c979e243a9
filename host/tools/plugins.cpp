#include "tools/plugins.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "plugin/plugin.hpp"
#include "tools/command.hpp"
#include "tools/kv_type.hpp"
#include "tools/validate.hpp"

namespace llorch::tools {
namespace {

namespace json = boost::json;

/// A file of the search directories: a plugin, or the reason why it is none.
struct Entry {
  std::filesystem::path path;
  std::optional<plugin::Info> info;
  std::vector<llorch_device> devices;
  std::string why_no_device;
  std::string refusal;
};

Entry look_at(const std::filesystem::path& path) {
  Entry out;
  out.path = path;
  const auto loaded = plugin::load_listed(path);
  if (!loaded) {
    out.refusal = loaded.error().message;
    return out;
  }
  out.info = (*loaded)->info();
  out.devices = (*loaded)->devices();
  out.why_no_device = (*loaded)->why_no_device();
  return out;
}

std::string_view kind_name(std::uint32_t kind) {
  switch (kind) {
    case LLORCH_DEVICE_CPU:
      return "cpu";
    case LLORCH_DEVICE_GPU:
      return "gpu";
    default:
      return "other";
  }
}

json::object to_json(const Entry& entry) {
  json::object out{{"path", entry.path.string()}, {"usable", entry.info.has_value()}};
  if (!entry.info) {
    out["error"] = entry.refusal;
    return out;
  }
  out["id"] = entry.info->id;
  out["version"] = entry.info->version;
  out["build"] = entry.info->build;
  out["abi_min"] = entry.info->abi_min;
  out["abi_max"] = entry.info->abi_max;
  out["architectures"] = entry.info->architectures;
  json::array capabilities;
  for (const std::string& name : plugin::capability_names(entry.info->caps))
    capabilities.emplace_back(name);
  out["capabilities"] = std::move(capabilities);
  json::array devices;
  for (const llorch_device& device : entry.devices) {
    devices.push_back(json::object{{"id", device.id},
                                   {"name", device.name},
                                   {"kind", kind_name(device.kind)},
                                   {"memory_total", device.mem_total},
                                   {"memory_free", device.mem_free}});
  }
  out["devices"] = std::move(devices);
  if (!entry.why_no_device.empty()) out["no_device"] = entry.why_no_device;
  return out;
}

void write_table(const std::vector<Entry>& entries, const std::vector<std::filesystem::path>& directories,
                 std::ostream& out) {
  std::size_t width = 6;
  for (const Entry& entry : entries) {
    if (entry.info) width = std::max(width, entry.info->id.size());
  }
  bool header = false;
  for (const Entry& entry : entries) {
    if (!entry.info) continue;
    if (!std::exchange(header, true)) {
      out << fmt::format("{:<{}}  {:<10} {:<5} {}\n", "plugin", width, "version", "ABI", "what");
    }
    const plugin::Info& info = *entry.info;
    const std::string abi =
        info.abi_min == info.abi_max ? std::to_string(info.abi_min) : fmt::format("{}-{}", info.abi_min, info.abi_max);
    const auto line = [&](std::string_view id, std::string_view version, std::string_view versions, std::string what) {
      out << fmt::format("{:<{}}  {:<10} {:<5} {}\n", id, width, version, versions, std::move(what));
    };
    line(info.id, info.version, abi, info.path.string());
    if (!info.build.empty()) line("", "", "", "built with: " + info.build);
    if (!info.architectures.empty()) line("", "", "", "models: " + info.architectures);
    const auto capabilities = plugin::capability_names(info.caps);
    if (!capabilities.empty()) line("", "", "", fmt::format("capabilities: {}", fmt::join(capabilities, " ")));
    for (const llorch_device& device : entry.devices) {
      line("", "", "", fmt::format("device: {} ({})", device.id, device.name));
    }
    if (!entry.why_no_device.empty()) line("", "", "", fmt::format("no device: {}", entry.why_no_device));
  }
  for (const Entry& entry : entries) {
    if (!entry.info) out << fmt::format("refused: {}\n", entry.refusal);
  }
  if (entries.empty()) {
    out << "no plugins in:\n";
    for (const auto& directory : directories)
      out << "  " << directory.string() << '\n';
  }
}

}  // namespace

Result<std::size_t> list_installed_plugins(const PluginsOptions& options, std::ostream& out) {
  if (auto there = plugin::check_directory(options.plugin_dir); !there) return there.error();
  const auto directories = plugin::search_directories(options.plugin_dir);
  std::vector<Entry> entries;
  for (const auto& path : plugin::list_plugins(options.plugin_dir))
    entries.push_back(look_at(path));
  if (options.json) {
    json::array plugins;
    for (const Entry& entry : entries)
      plugins.push_back(to_json(entry));
    json::array searched;
    for (const auto& directory : directories)
      searched.emplace_back(directory.string());
    out << json::serialize(json::object{{"plugins", std::move(plugins)}, {"directories", std::move(searched)}}) << '\n';
  } else {
    write_table(entries, directories, out);
  }
  out.flush();
  if (!out) return make_error(ErrorCode::kIo, "cannot write the output");
  return static_cast<std::size_t>(
      std::count_if(entries.begin(), entries.end(), [](const Entry& entry) { return entry.info.has_value(); }));
}

void add_plugins(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<PluginsOptions>();
  const auto kit = std::make_shared<conformance::Options>();
  CLI::App* command = app.add_subcommand("plugins", "List the installed plugins, or validate one against the ABI");
  command->add_option("--plugin-dir", options->plugin_dir, "Directory to look in before the installed one");
  command->add_flag("--json", options->json, "One JSON object instead of a table");
  CLI::Option* validate =
      command->add_option("--validate", kit->plugin, "Ask the conformance kit's rules of this plugin");
  validate->type_name("NAME_OR_FILE.so");
  command->add_option("--model", kit->model, "Validate with this model; otherwise a small random one is made")
      ->type_name("FILE_OR_DIR")
      ->needs(validate);
  command->add_option("--rule", kit->only, "Validate with this rule only, as K-24; may be repeated")
      ->type_name("ID")
      ->needs(validate);
  const auto kv = std::make_shared<KvTypeNames>();
  add_kv_type_flags(*command, *kv);
  command->footer(
      "A file that is no usable plugin is listed with the reason. Exit code 1 when none can be used.\n"
      "With --validate: exit code 1 when a rule fails or none can be asked, 2 when --rule names none; --kv-type is of "
      "the contexts that rules make. "
      "docs/conformance.md says what each rule means.");
  command->callback([options, kit, kv, validate, &exit_code] {
    if (validate->count() > 0) {
      if (const auto known = conformance::check_ids(kit->only); !known) {
        std::cerr << "llorch-host plugins: " << known.error().message << '\n';
        exit_code = kExitUsage;
        return;
      }
      // A path is left to the kit, whose first rule says what is wrong with it.
      if (kit->plugin.extension() != ".so" && !kit->plugin.has_parent_path() && !std::filesystem::exists(kit->plugin)) {
        auto path = plugin::find_plugin(kit->plugin.string(), options->plugin_dir);
        if (!path) {
          std::cerr << "llorch-host plugins: --validate: " << path.error().message << '\n';
          exit_code = 1;
          return;
        }
        kit->plugin = std::move(*path);
      }
      kit->kv_dtype_k = kv_types(*kv).k;
      kit->kv_dtype_v = kv_types(*kv).v;
      const auto conforms = validate_plugin(*kit, options->json, std::cout);
      if (!conforms) std::cerr << "llorch-host plugins: " << conforms.error().message << '\n';
      exit_code = conforms && *conforms ? 0 : 1;
      return;
    }
    const auto usable = list_installed_plugins(*options, std::cout);
    if (!usable) {
      std::cerr << "llorch-host plugins: " << usable.error().message << '\n';
      exit_code = 1;
      return;
    }
    exit_code = *usable > 0 ? 0 : 1;
  });
}

}  // namespace llorch::tools
