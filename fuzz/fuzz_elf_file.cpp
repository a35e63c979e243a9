// Plugins before they are loaded: any bytes are an object with sound tables, or refused with a message that names the
// file.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "bytes_as_file.hpp"
#include "plugin/elf_file.hpp"

namespace {

/// A name comes from the table of names, where it is not empty.
void check_names(const std::vector<std::string>& names, std::size_t file_bytes) {
  for (const std::string& name : names)
    if (name.size() >= file_bytes) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const llorch::fuzz::BytesAsFile bytes(data, size);
  const std::string& path = bytes.path();
  const auto file = llorch::plugin::read_elf_file(path);
  if (!file) {
    const std::string& message = file.error().message;
    if (message.find(path) == std::string::npos || message.find('\n') != std::string::npos) std::abort();
  } else {
    if (llorch::plugin::machine_name(file->machine).starts_with("machine ")) std::abort();  // this host's has a name
    if (file->exported) check_names(*file->exported, size);
    check_names(file->undefined, size);
  }
  return 0;
}
