// A shared object that passed every check, loaded for the rest of the process's life.
#pragma once

#include <llorch/llorch_plugin.h>

#include <filesystem>

#include "base/result.hpp"
#include "plugin/plugin.hpp"

namespace llorch::plugin {

/// The two entry points and what the first of them said.
struct Library {
  Info info;
  std::uint32_t abi = 0;  ///< the version that both sides speak
  decltype(&llorch_plugin_open) open = nullptr;
};

/// Checks the file (regular, not writable by others, ELF of this machine, both symbols), loads it with all symbols
/// resolved and local, asks who it is and settles the ABI version. Nothing of the object runs before the file checks.
/// [any-thread]
[[nodiscard]] Result<Library> load_library(const std::filesystem::path& path);

}  // namespace llorch::plugin
