// safetensors: any bytes parse or fail with a message; the tensors of what parses tile the data.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "model_file/architecture.hpp"
#include "model_file/safetensors.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace llorch::model_file;
  const std::string origin = "fuzz.safetensors";
  MemoryBytes bytes(std::as_bytes(std::span(data, size)), origin);
  const auto tensors = parse_safetensors(bytes);
  if (!tensors) {
    if (tensors.error().message.find(origin) == std::string::npos) std::abort();
    return 0;
  }
  std::uint64_t total = 0;
  for (const StoredTensor& tensor : *tensors) {
    if (tensor.offset > size || tensor.nbytes > size - tensor.offset) std::abort();
    total += tensor.nbytes;
  }
  if (total > size - 8) std::abort();
  Hyperparameters hyperparameters;
  hyperparameters.context = 2;
  hyperparameters.embedding = 2;
  hyperparameters.feed_forward = 3;
  hyperparameters.blocks = 1;
  hyperparameters.heads = hyperparameters.heads_kv = 1;
  for (const bool tied : {false, true}) {
    (void)bind_tensors(*find_architecture("gpt2"), hyperparameters, *tensors, Naming::kHuggingFace, tied, origin);
  }
  return 0;
}
