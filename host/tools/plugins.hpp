// `llorch-host plugins`: what is installed, in which versions, with which abilities, and what was refused and why.
#pragma once

#include <CLI/App.hpp>
#include <filesystem>
#include <iosfwd>

#include "base/result.hpp"

namespace llorch::tools {

struct PluginsOptions {
  std::filesystem::path plugin_dir;  ///< searched first; may be empty
  bool json = false;
};

/// Loads and opens every plugin of the search directories and writes a table or one JSON object. Returns how many of
/// them can be used.
[[nodiscard]] Result<std::size_t> list_installed_plugins(const PluginsOptions& options, std::ostream& out);

/// Adds the subcommand; its exit code is 0 when at least one plugin can be used or, with --validate, when no rule
/// fails; otherwise 1.
void add_plugins(CLI::App& app, int& exit_code);

}  // namespace llorch::tools
