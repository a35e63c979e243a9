#include "chat/objects.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "chat/printing.hpp"

namespace llorch::chat {
namespace {

std::uint32_t depth_over(std::uint32_t inner) {
  if (inner >= RenderLimits::kMaxValueDepth) {
    fail(fmt::format("values nest deeper than {} levels", RenderLimits::kMaxValueDepth));
  }
  return inner + 1;
}

std::uint32_t depth_of(const std::vector<Value>& items) {
  std::uint32_t depth = 0;
  for (const Value& item : items)
    depth = std::max(depth, item.depth());
  return depth_over(depth);
}

}  // namespace

std::optional<Value> Namespace::attribute(Runtime& runtime, std::string_view name) {
  runtime.spend(attributes_.size() / 8);
  const auto found =
      std::find_if(attributes_.begin(), attributes_.end(), [&](const auto& entry) { return entry.first == name; });
  return found == attributes_.end() ? std::nullopt : std::optional<Value>(found->second);
}

void Namespace::set(std::string_view name, Value value) {
  const auto found =
      std::find_if(attributes_.begin(), attributes_.end(), [&](const auto& entry) { return entry.first == name; });
  if (found != attributes_.end()) {
    found->second = std::move(value);
    return;
  }
  charge_.grow(sizeof(attributes_[0]) + name.size());
  attributes_.emplace_back(name, std::move(value));
}

Generator::Generator(Runtime& runtime, std::vector<Value> items)
    : items_(std::move(items)),
      depth_(depth_of(items_)),
      charge_(runtime.meter, sizeof(Generator) + items_.size() * sizeof(Value)) {
  runtime.spend_bytes(items_.size() * sizeof(Value));
}

bool Generator::iterate(Runtime&, std::vector<Value>& out) {
  out.assign(items_.begin() + static_cast<std::ptrdiff_t>(next_), items_.end());
  next_ = items_.size();
  return true;
}

std::optional<Value> Generator::next() {
  return next_ < items_.size() ? std::optional<Value>(items_[next_++]) : std::nullopt;
}

Value make_generator(Runtime& runtime, std::vector<Value> items) {
  return ObjectRef(std::make_shared<Generator>(runtime, std::move(items)));
}

std::string Range::repr(Runtime&) const {
  const std::int64_t end = begin_ + step_ * static_cast<std::int64_t>(count_);
  return step_ == 1 ? fmt::format("range({}, {})", begin_, end) : fmt::format("range({}, {}, {})", begin_, end, step_);
}

std::optional<Value> Range::item(Runtime&, std::int64_t index) {
  if (index < 0) index += static_cast<std::int64_t>(count_);
  if (index < 0 || index >= static_cast<std::int64_t>(count_)) return std::nullopt;
  return Value(begin_ + step_ * index);
}

bool Range::iterate(Runtime& runtime, std::vector<Value>& out) {
  runtime.spend(count_);
  for (std::size_t i = 0; i < count_; ++i)
    out.emplace_back(begin_ + step_ * static_cast<std::int64_t>(i));
  return true;
}

NativeFunction::NativeFunction(Runtime& runtime, Native native, std::uint32_t receiver_depth)
    : native_(std::move(native)), depth_(depth_over(receiver_depth)), charge_(runtime.meter, sizeof(NativeFunction)) {}

Value make_function(Runtime& runtime, Native native, std::uint32_t receiver_depth) {
  return ObjectRef(std::make_shared<NativeFunction>(runtime, std::move(native), receiver_depth));
}

std::vector<std::optional<Value>> bind(const Arguments& arguments, std::string_view function,
                                       std::initializer_list<std::string_view> parameters, std::size_t required) {
  std::vector<std::optional<Value>> values(parameters.size());
  if (arguments.positional.size() > parameters.size()) {
    fail(fmt::format("{}: expected at most {} arguments, found {}", function, parameters.size(),
                     arguments.positional.size()));
  }
  std::copy(arguments.positional.begin(), arguments.positional.end(), values.begin());
  for (const auto& [name, value] : arguments.named) {
    const auto* const found = std::find(parameters.begin(), parameters.end(), name);
    const auto index = static_cast<std::size_t>(found - parameters.begin());
    if (found == parameters.end()) fail(fmt::format("{}: has no parameter '{}'", function, name));
    if (values[index]) fail(fmt::format("{}: got two values for '{}'", function, name));
    values[index] = value;
  }
  for (std::size_t i = 0; i < required; ++i) {
    if (!values[i]) fail(fmt::format("{}: expected a value for '{}', found none", function, parameters.begin()[i]));
  }
  return values;
}

std::int64_t as_integer(const Value& value, std::string_view what) {
  require_defined(value);
  const auto number = value.integer();
  if (!number) fail(fmt::format("{}: expected an int, found {}", what, type_name(value)));
  return *number;
}

const Text& as_text(const Value& value, std::string_view what) {
  require_defined(value);
  const Text* text = value.text();
  if (text == nullptr) fail(fmt::format("{}: expected a str, found {}", what, type_name(value)));
  return *text;
}

}  // namespace llorch::chat
