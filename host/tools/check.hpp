// `llorch-host check`: does this plugin compute this model correctly? Yes or no, component after component.
#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <string>

#include "base/result.hpp"
#include "tools/kv_type.hpp"

namespace llorch::tools {

struct CheckOptions {
  std::filesystem::path model;
  std::string plugin;                ///< name or path; empty: the first installed one that can run the model
  std::filesystem::path plugin_dir;  ///< searched first; may be empty
  std::uint32_t device = 0;          ///< of the plugin
  std::filesystem::path reference;   ///< directory with manifest.json; or
  std::string known;                 ///< name of a well-known model
  std::uint32_t threads = 1;
  KvTypeNames kv = {};
  bool json = false;
};

/// Of reference and known exactly one is given. Climbs the ladder and writes a table, rung after rung, or one JSON
/// object. Returns whether every rung holds; an error means that nothing could be compared.
[[nodiscard]] Result<bool> check(const CheckOptions& options, std::ostream& out);

/// Adds the subcommand; its exit code is 0 when every rung holds, 1 when one does not, 2 for bad usage.
void add_check(CLI::App& app, int& exit_code);

}  // namespace llorch::tools
