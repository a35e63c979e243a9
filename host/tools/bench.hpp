// `llorch-host bench`: how fast a plugin computes a model on this machine, and how near that is to the machine's
// limits.
#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "tools/bench_measure.hpp"
#include "tools/kv_type.hpp"

namespace llorch::tools {

/// What the command line asks for.
struct BenchOptions {
  std::filesystem::path model;
  std::string plugin;                          ///< name or path; empty: the installed one that can run the file
  std::string plugin_dir;                      ///< searched first
  std::uint32_t device = 0;                    ///< of the plugin
  std::vector<std::uint32_t> prompt{512};      ///< tokens; a 0 is left out
  std::vector<std::uint32_t> generation{128};  ///< tokens; a 0 is left out
  std::vector<std::uint32_t> threads{1};       ///< each with every test
  std::uint32_t repetitions = 5;
  std::uint32_t batch_tokens = 512;
  KvTypeNames kv = {};
  bool limits = true;
  bool json = false;
};

/// Measures and writes the table or the JSON object to `out`. `progress` gets one line before each test.
[[nodiscard]] Result<void> bench(const BenchOptions& options, std::ostream& out,
                                 const std::function<void(const std::string&)>& progress);

/// Adds the subcommand; when it runs it stores its exit code: 0, or 1 after an error on standard error.
void add_bench(CLI::App& app, int& exit_code);

}  // namespace llorch::tools
