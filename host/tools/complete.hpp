// `llorch-host complete`: one prompt to standard output.
#pragma once

namespace CLI {
class App;
}

namespace llorch::tools {

/// Adds the subcommand; when it runs it stores its exit code: 0, 1 after an error, 2 for bad usage, 130 when it was
/// interrupted (what was generated until then is written).
void add_complete(CLI::App& app, int& exit_code);

}  // namespace llorch::tools
