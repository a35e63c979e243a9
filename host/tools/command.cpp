#include "tools/command.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <memory>

#include "base/text.hpp"
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

/// The message of a record on one line: a model's or a client's words in it cannot forge a record.
class OneLine : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& record, const std::tm& /*time*/, spdlog::memory_buf_t& out) override {
    const std::string line = one_line(std::string_view(record.payload.data(), record.payload.size()));
    out.append(line.data(), line.data() + line.size());
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<OneLine>(); }
};

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
    auto formatter = std::make_unique<spdlog::pattern_formatter>();
    formatter->add_flag<OneLine>('*').set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %^%l%$ %*");
    spdlog::set_formatter(std::move(formatter));
  }
  spdlog::set_level(spdlog::level::from_str(level));
}

int fail(const std::string& message, int exit_code) {
  std::string line = message;
  std::ranges::replace(line, '\n', ' ');  // of libraries' messages in several lines
  std::cerr << "llorch-host: " << one_line(line) << '\n';
  return exit_code;
}

}  // namespace llorch::tools
