// `llorch-host serve`: the worker from its configuration to its exit code.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace llorch::app {

/// Adds the subcommand; when it runs it stores its exit code: 0 after a drain, 1 when the worker could not start or its
/// model could not be loaded, 2 for a bad configuration.
void add_serve(CLI::App& app, int& exit_code, const std::string& version);

}  // namespace llorch::app
