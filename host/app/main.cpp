// llorch-host: command line -> subcommand.
#include <CLI/CLI.hpp>
#include <exception>
#include <iostream>

#include "tools/inspect.hpp"
#include "tools/tokenize.hpp"

int main(int argc, char** argv) {
  constexpr int kUsageError = 2;
  try {
    CLI::App app("A modular LLM inference worker", "llorch-host");
    app.require_subcommand(1);
    int exit_code = 0;
    llorch::tools::add_inspect(app, exit_code);
    llorch::tools::add_tokenize(app, exit_code);
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      return app.exit(error) == 0 ? 0 : kUsageError;
    }
    return exit_code;
  } catch (const std::exception& error) {
    std::cerr << "llorch-host: " << error.what() << '\n';
    return 1;
  }
}
