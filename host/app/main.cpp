// llorch-host: one program, its subcommands; `serve` when none is named.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <exception>
#include <string>
#include <vector>

#include "app/serve.hpp"
#include "tools/bench.hpp"
#include "tools/check.hpp"
#include "tools/command.hpp"
#include "tools/complete.hpp"
#include "tools/inspect.hpp"
#include "tools/perplexity.hpp"
#include "tools/plugins.hpp"
#include "tools/tokenize.hpp"

namespace {

constexpr const char* kDescription =
    "llorch-host: a modular inference worker. It serves a language model over HTTP; plugins compute it.";

constexpr const char* kFooter =
    "Without a subcommand it serves, and takes the flags of `serve`:\n"
    "  llorch-host --model models/tiny-gpt2 --port 8080\n"
    "  llorch-host complete --model models/tiny-gpt2 \"Once upon a time\"\n"
    "  llorch-host serve --help\n"
    "Exit codes: 0 success, 1 failure, 2 bad usage or configuration.";

// `llorch-host --port 0` means `llorch-host serve --port 0`.
std::vector<std::string> with_default_subcommand(int argc, char** argv, const CLI::App& app) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  std::vector<std::string> names = {"-h", "--help", "--version"};
  for (const CLI::App* subcommand : app.get_subcommands({}))
    names.push_back(subcommand->get_name());
  const bool names_subcommand =
      !arguments.empty() && std::find(names.begin(), names.end(), arguments[0]) != names.end();
  if (!names_subcommand) arguments.insert(arguments.begin(), "serve");
  return arguments;
}

int run(int argc, char** argv) {
  int exit_code = llorch::tools::kExitOk;
  CLI::App app(kDescription, "llorch-host");
  app.footer(kFooter);
  app.failure_message([](const CLI::App* asked, const CLI::Error& error) {
    return std::string("llorch-host: ") + CLI::FailureMessage::simple(asked, error);
  });
  app.set_version_flag("--version", "llorch-host " LLORCH_VERSION);
  app.require_subcommand(1);
  llorch::app::add_serve(app, exit_code, LLORCH_VERSION);
  llorch::tools::add_bench(app, exit_code);
  llorch::tools::add_complete(app, exit_code);
  llorch::tools::add_check(app, exit_code);
  llorch::tools::add_inspect(app, exit_code);
  llorch::tools::add_perplexity(app, exit_code);
  llorch::tools::add_plugins(app, exit_code);
  llorch::tools::add_tokenize(app, exit_code);

  std::vector<std::string> arguments = with_default_subcommand(argc, argv, app);
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& error) {
    const bool asked_for_help = error.get_exit_code() == 0;
    const int code = app.exit(error);
    return asked_for_help ? code : llorch::tools::kExitUsage;
  }
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    return llorch::tools::fail(std::string("internal error: ") + error.what());
  }
}
