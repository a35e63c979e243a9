// Reference tensors: any bytes are read, or refused with a message that names the file; what is read lies in the file.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "bytes_as_file.hpp"
#include "checkpoint/npy.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const llorch::fuzz::BytesAsFile bytes(data, size);
  const std::string& path = bytes.path();
  const auto tensor = llorch::checkpoint::read_npy(path);
  if (!tensor) {
    if (tensor.error().message.find(path) == std::string::npos) std::abort();
  } else {
    std::uint64_t count = 1;
    for (const std::uint64_t dim : tensor->dims)
      count *= dim;
    if (tensor->values.size() != count || count * sizeof(float) > size) std::abort();
  }
  return 0;
}
