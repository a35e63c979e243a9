#include "cuda/device/switches.hpp"

#include <llorch/plugin.hpp>

#include <cstdlib>
#include <string_view>

namespace llorch::cuda {

bool switched_on(const char* variable) {
  const char* text = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): nothing here changes the environment
  if (text == nullptr || std::string_view(text) == "1") return true;
  if (std::string_view(text) == "0") return false;
  abi::fail(LLORCH_INVALID_ARGUMENT, variable, ": expected 0 or 1, found \"", text, '"');
}

}  // namespace llorch::cuda
