#include "chat/runtime.hpp"

#include <spdlog/fmt/fmt.h>

namespace llorch::chat {

void fail(const std::string& message) {
  throw Failure(message);
}

void Meter::take(std::size_t bytes) {
  check(bytes);
  used_ += bytes;
}

void Meter::check(std::size_t bytes) const {
  if (bytes <= limit_ - used_) return;
  throw LimitReached(fmt::format("the template's values need more than {} bytes", limit_));
}

Runtime::~Runtime() {
  for (const auto& object : kept_)
    object->clear();
}

void Runtime::keep(std::shared_ptr<Clearable> object) {
  meter.take(sizeof(object));
  kept_.push_back(std::move(object));
}

void Runtime::out_of_steps() const {
  throw LimitReached(fmt::format("the template takes more than {} steps", limits_.steps));
}

void Runtime::too_deep() const {
  throw LimitReached(fmt::format("the template nests or recurses deeper than {} levels", limits_.depth));
}

}  // namespace llorch::chat
