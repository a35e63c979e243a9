// What subcommands that run a model share: the flags of the configuration, its errors, logging.
#pragma once

#include <CLI/App.hpp>
#include <map>
#include <string>
#include <vector>

#include "config/config.hpp"

namespace llorch::tools {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

/// Flags of a subcommand that end in a configuration. It must outlive the parse.
class ConfigCommand {
 public:
  /// `keys`: the options that make sense here; empty: all. Adds --config too.
  void add_to(CLI::App& app, const std::vector<std::string>& keys = {});
  /// Flags, environment and file by their precedence. [main-thread]
  [[nodiscard]] Result<config::Resolved> resolve() const;

 private:
  std::map<std::string, std::string> flags_;
  std::string file_;
};

/// Log to standard error at a level of the table ("info", ...).
void set_up_logging(const std::string& level);

/// `llorch-host: message` as one line on standard error; returns `exit_code`.
int fail(const std::string& message, int exit_code = kExitFailed);

}  // namespace llorch::tools
