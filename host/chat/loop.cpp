#include "chat/loop.hpp"

#include <algorithm>

#include "chat/objects.hpp"

namespace llorch::chat {

Loop::Loop(const For& node, const std::shared_ptr<Scope>& scope, std::vector<Value> items, std::uint32_t nesting,
           Runtime& runtime)
    : node_(node),
      items_(std::move(items)),
      count_(items_.size()),
      nesting_(nesting),
      charge_(runtime.meter, sizeof(Loop) + items_.size() * sizeof(Value)) {
  if (node.recursive) scope_ = scope;
}

const Value& Loop::advance_to(std::size_t index) {
  index_ = index;
  return items_[index];
}

void Loop::end() noexcept {
  items_.clear();
  last_changed_.clear();
  scope_.reset();
}

std::optional<Value> Loop::counter(std::string_view name) const {
  const auto number = [](std::size_t value) { return Value(static_cast<std::int64_t>(value)); };
  if (name == "index") return number(index_ + 1);
  if (name == "index0") return number(index_);
  if (name == "revindex") return number(count_ - index_);
  if (name == "revindex0") return number(count_ - index_ - 1);
  if (name == "length") return number(count_);
  if (name == "first") return Value(index_ == 0);
  if (name == "last") return Value(index_ + 1 == count_);
  if (name == "depth") return number(nesting_ + 1);
  if (name == "depth0") return number(nesting_);
  return std::nullopt;
}

std::optional<Value> Loop::attribute(Runtime& runtime, std::string_view name) {
  if (auto value = counter(name)) return value;
  if (name == "previtem") {
    return index_ > 0 && index_ <= items_.size() ? items_[index_ - 1] : undefined("there is no previous item");
  }
  if (name == "nextitem") {
    return index_ + 1 < items_.size() ? items_[index_ + 1] : undefined("there is no next item");
  }
  if (name == "cycle") {
    return make_function(runtime, [self = shared_from_this()](Runtime&, const Arguments& arguments) {
      if (arguments.positional.empty()) fail("loop.cycle: expected items");
      return arguments.positional[self->index_ % arguments.positional.size()];
    });
  }
  if (name == "changed") {
    return make_function(runtime, [self = shared_from_this()](Runtime& at, const Arguments& arguments) {
      return Value(self->changed(at, arguments));
    });
  }
  return std::nullopt;
}

bool Loop::changed(Runtime& runtime, const Arguments& arguments) {
  const auto& now = arguments.positional;
  const bool same = !last_changed_.empty() && now.size() == last_changed_.size() &&
                    std::equal(now.begin(), now.end(), last_changed_.begin(),
                               [&](const Value& a, const Value& b) { return equal(runtime, a, b); });
  if (!same) last_changed_ = now;
  return !same;
}

Value Loop::call(Runtime& runtime, const Arguments& arguments) {
  if (scope_ == nullptr) fail("loop(...) needs {% for ... recursive %}");
  const auto values = bind(arguments, "loop", {"iterable"}, 1);
  TextBuilder out(runtime);
  Frame frame{runtime, scope_, out};
  static_cast<void>(node_.run(frame, *values[0], nesting_ + 1));
  return out.value();
}

}  // namespace llorch::chat
