// Files of log-probabilities: any bytes are read or refused with a message that names the file.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "tools/logprob_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using llorch::tools::LogprobReader;
  const int descriptor = ::memfd_create("fuzz", MFD_CLOEXEC);
  if (descriptor < 0) std::abort();
  if (size > 0 && ::write(descriptor, data, size) != static_cast<ssize_t>(size)) std::abort();
  const std::string path = "/proc/self/fd/" + std::to_string(descriptor);
  const auto check = [&](const llorch::Error& error) {
    if (error.message.find(path) == std::string::npos) std::abort();
  };
  const auto reader = LogprobReader::open(path);
  if (!reader) {
    check(reader.error());
  } else {
    if (std::uint64_t{(*reader)->count()} * (*reader)->window() * 4 > size) std::abort();
    for (std::uint32_t w = 0; w < (*reader)->count(); ++w) {
      if (const auto ids = (*reader)->ids(w); !ids) check(ids.error());
    }
    const std::uint64_t rows = std::uint64_t{(*reader)->count()} * ((*reader)->window() - 1 - (*reader)->window() / 2);
    for (std::uint64_t row = 0; row < rows; ++row) {
      const auto values = (*reader)->next();
      if (values) continue;
      check(values.error());
      break;
    }
  }
  ::close(descriptor);
  return 0;
}
