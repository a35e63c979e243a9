// Command-line flags made from the table of options, so that --help documents each of them.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace CLI {  // NOLINT(readability-identifier-naming): the library's name
class App;
}

namespace llorch::config {

/// Adds one flag per option to `app`: all, or those of `keys` in the table's order. Values given are stored in `*flags`
/// as text under their key, for resolve(); `*flags` must outlive the parse. Throws std::invalid_argument for a key that
/// the table does not have (a defect of the caller).
void add_config_flags(CLI::App& app, std::map<std::string, std::string>& flags,
                      const std::vector<std::string>& keys = {});

}  // namespace llorch::config
