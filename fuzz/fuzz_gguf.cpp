// GGUF: any bytes parse or fail with a message; what parses stays inside the file and can be asked for everything.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <variant>

#include "model_file/architecture.hpp"
#include "model_file/gguf.hpp"

namespace {

using namespace llorch::model_file;

/// Reads the last byte of everything a value points at.
std::size_t touch(const Value& value) {
  if (const auto* text = std::get_if<std::string_view>(&value)) return text->empty() ? 0 : text->back() != 0;
  const auto* array = std::get_if<Array>(&value);
  if (array == nullptr || array->count == 0) return 0;
  if (array->data != nullptr) return array->data[array->count - 1] != std::byte{};
  if (array->strings == nullptr) return 0;
  if (array->strings->size() != array->count) std::abort();
  std::size_t sum = 0;
  for (const std::string_view text : *array->strings) {
    sum += text.empty() ? 0 : static_cast<unsigned char>(text.back());
  }
  return sum;
}

volatile std::size_t keep_reads = 0;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string origin = "fuzz.gguf";
  MemoryBytes bytes(std::as_bytes(std::span(data, size)), origin);
  const auto contents = parse_gguf(bytes);
  if (!contents) {
    if (contents.error().message.find(origin) == std::string::npos) std::abort();
    return 0;
  }
  for (const StoredTensor& tensor : contents->tensors) {
    if (tensor.offset > size || tensor.nbytes > size - tensor.offset) std::abort();
  }
  for (const auto& [key, value] : contents->metadata.entries()) {
    keep_reads = keep_reads + touch(value);
    (void)contents->metadata.strings(key);
    (void)contents->metadata.integers(key);
    (void)contents->metadata.floats(key);
  }
  const Architecture* gpt2 = find_architecture("gpt2");
  const auto hyperparameters = read_hyperparameters(*gpt2, contents->metadata, origin);
  if (hyperparameters) (void)bind_tensors(*gpt2, *hyperparameters, contents->tensors, Naming::kGguf, false, origin);
  return 0;
}
