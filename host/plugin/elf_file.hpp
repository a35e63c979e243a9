// What a shared object says about itself, read before anything of it is mapped or run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace llorch::plugin {

/// The facts that decide whether dlopen() may be called.
struct ElfFile {
  std::uint16_t machine = 0;
  /// Names of the symbols that the object defines and shows. Empty optional: it has no section table to tell from.
  std::optional<std::vector<std::string>> exported;
  /// Names it expects others to define (weak ones left out).
  std::vector<std::string> undefined;
};

/// Reads headers and the dynamic symbol table. Refuses what this host cannot load: not a regular file, not ELF (says
/// what it looks like), another class, byte order or machine (names both), not a shared object, program headers or
/// segments beyond the end of the file (mapping those would end in SIGBUS). [any-thread]
[[nodiscard]] Result<ElfFile> read_elf_file(const std::filesystem::path& path);

/// "x86-64", "aarch64", ... or "machine 0x1234".
[[nodiscard]] std::string machine_name(std::uint16_t machine);

}  // namespace llorch::plugin
