// `llorch-host inspect`: what a model file holds and how much memory it would take, before anything is allocated.
#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <string>

#include "base/result.hpp"
#include "tools/kv_type.hpp"

namespace llorch::tools {

struct InspectOptions {
  std::filesystem::path model;
  std::filesystem::path plugin_dir;  ///< searched before the installed plugins
  std::string plugin;                ///< name or path; empty: every plugin that can be found
  std::uint32_t context = 0;         ///< tokens the KV cache should hold; 0: the model's context length
  KvTypeNames kv = {};
  bool tensors = false;  ///< list each tensor
  bool json = false;
};

/// Opens the model, asks the plugins and prints to `out`. A model that no plugin runs is still described.
[[nodiscard]] Result<void> inspect(const InspectOptions& options, std::ostream& out);

/// Adds the subcommand; when it runs it stores its exit code: 0, or 1 after an error on standard error.
void add_inspect(CLI::App& app, int& exit_code);

}  // namespace llorch::tools
