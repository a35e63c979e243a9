#include <spdlog/fmt/fmt.h>

#include "engine/engine_impl.hpp"

namespace llorch::engine {

Result<void> validate(const Request& request, std::uint32_t context_length, std::uint32_t vocab_size) {
  const auto invalid = [](std::string message) { return make_error(ErrorCode::kInvalidArgument, std::move(message)); };
  if (request.id.empty()) return invalid("id: expected a non-empty string");
  if (request.prompt.empty()) return invalid("prompt: expected at least one token, found none");
  if (request.prompt.size() > context_length) {
    return invalid(fmt::format("prompt: expected at most {} tokens (the context length), found {}", context_length,
                               request.prompt.size()));
  }
  for (std::size_t i = 0; i < request.prompt.size(); ++i) {
    if (request.prompt[i] < 0 || static_cast<std::uint32_t>(request.prompt[i]) >= vocab_size) {
      return invalid(fmt::format("prompt: expected token ids from 0 to {}, found {} at index {}", vocab_size - 1,
                                 request.prompt[i], i));
    }
  }
  for (const std::string& stop : request.stop) {
    if (stop.empty()) return invalid("stop: expected non-empty strings, found an empty one");
  }
  return sampling::validate(request.sampling, vocab_size);
}

}  // namespace llorch::engine
