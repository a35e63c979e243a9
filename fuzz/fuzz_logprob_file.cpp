// Files of log-probabilities: any bytes are read or refused with a message that names the file.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "bytes_as_file.hpp"
#include "tools/logprob_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using llorch::tools::LogprobReader;
  const llorch::fuzz::BytesAsFile bytes(data, size);
  const std::string& path = bytes.path();
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
  return 0;
}
