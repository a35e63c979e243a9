#include "tools/command.hpp"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <iostream>

#include "config/flags.hpp"

extern char** environ;  // NOLINT(readability-redundant-declaration): POSIX leaves it to the program

namespace llorch::tools {
namespace {

std::map<std::string, std::string> environment() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos) variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

}  // namespace

void ConfigCommand::add_to(CLI::App& app, const std::vector<std::string>& keys) {
  app.add_option("--config", file_,
                 "Configuration file (JSON); flags and environment come before it [env: LLORCH_CONFIG]")
      ->type_name("FILE");
  config::add_config_flags(app, flags_, keys);
}

Result<config::Resolved> ConfigCommand::resolve() const {
  const char* named = std::getenv("LLORCH_CONFIG");
  const bool from_environment = file_.empty() && named != nullptr;
  return config::resolve(flags_, environment(), from_environment ? std::string(named) : file_);
}

void set_up_logging(const std::string& level) {
  if (spdlog::get("llorch") == nullptr) {
    spdlog::set_default_logger(spdlog::stderr_color_mt("llorch"));
    spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %^%l%$ %v");
  }
  spdlog::set_level(spdlog::level::from_str(level));
}

int fail(const std::string& message, int exit_code) {
  std::string line = message;
  for (char& c : line) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  std::cerr << "llorch-host: " << line << '\n';
  return exit_code;
}

}  // namespace llorch::tools
