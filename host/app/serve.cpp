#include "app/serve.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <filesystem>
#include <iostream>
#include <memory>
#include <system_error>

#include "app/ready_callback.hpp"
#include "app/worker_process.hpp"
#include "tools/command.hpp"

namespace llorch::app {
namespace {

struct ServeOptions {
  tools::ConfigCommand config;
  bool print_config = false;
};

int run(const ServeOptions& options, const std::string& version) {
  const Result<config::Resolved> resolved = options.config.resolve();
  if (resolved.has_error()) return tools::fail(resolved.error().message, tools::kExitUsage);
  if (options.print_config) {
    std::cout << config::print(*resolved) << std::endl;
    return std::cout ? tools::kExitOk : tools::fail("cannot write the configuration");
  }
  const config::Config& config = resolved->config;
  tools::set_up_logging(config.log_level);
  if (config.model.empty()) {
    return tools::fail("no model given: use --model FILE, MODEL_PATH or \"model\" in a config file", tools::kExitUsage);
  }
  // Nobody should be told of an address that will never have a model behind it.
  std::error_code status;
  if (!std::filesystem::exists(config.model, status)) {
    const std::string why = status ? status.message() : "no such file or directory";
    return tools::fail(fmt::format("model {}: {}", config.model, why));
  }
  WorkerProcess process(config, version, [&options] { return options.config.resolve(); });
  const Result<void> opened = process.open();
  if (opened.has_error()) return tools::fail(opened.error().message);
  // On standard output, for whoever started the worker with --port 0.
  std::cout << "listening on " << public_uri(config.host, process.port()) << std::endl;
  return process.run();
}

}  // namespace

void add_serve(CLI::App& app, int& exit_code, const std::string& version) {
  auto options = std::make_shared<ServeOptions>();
  CLI::App* command = app.add_subcommand("serve", "Serve a model over HTTP (the default)");
  command->footer(
      "Examples:\n"
      "  llorch-host serve --model models/tiny-gpt2 --port 8080\n"
      "  llorch-host --config configs/gpt2_cpu.json --threads 2\n"
      "  PORT=0 MODEL_PATH=gpt2.gguf llorch-host\n"
      "Then: curl http://127.0.0.1:8080/v1/completions -d '{\"prompt\": \"Once upon a time\", \"max_tokens\": 50}'");
  options->config.add_to(*command);
  command->add_flag("--print-config", options->print_config, "Print every setting and where it came from, and exit");
  command->callback([options, &exit_code, version] { exit_code = run(*options, version); });
}

}  // namespace llorch::app
