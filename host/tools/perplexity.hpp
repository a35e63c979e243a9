// `llorch-host perplexity`: how well a model predicts a text, and how far its predictions lie from another run's.
#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "tools/kv_type.hpp"

namespace llorch::tools {

/// What the command line asks for.
struct PerplexityOptions {
  std::string model;
  std::string plugin;              ///< name or path; empty: the installed one that can run the file
  std::string plugin_dir;          ///< searched first
  std::uint32_t device = 0;        ///< of the plugin
  std::string text;                ///< file; "-": standard input
  std::uint32_t window = 0;        ///< tokens; 0: 512, or the model's limit where that is less
  std::uint32_t most_windows = 0;  ///< 0: all
  std::uint32_t threads = 1;
  std::uint32_t batch_tokens = 512;
  KvTypeNames kv = {};
  std::optional<std::filesystem::path> save, against;
  bool json = false;
};

/// Scores the text and writes the figures to `out`. `in` is read when the text is "-"; `progress` gets a line a window.
[[nodiscard]] Result<void> perplexity(const PerplexityOptions& options, std::istream& in, std::ostream& out,
                                      const std::function<void(const std::string&)>& progress = {});

/// Adds the subcommand; when it runs it stores its exit code: 0, or 1 after an error on standard error.
void add_perplexity(CLI::App& app, int& exit_code);

}  // namespace llorch::tools
