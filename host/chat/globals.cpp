// The functions that every template finds.
#include <spdlog/fmt/fmt.h>

#include <array>
#include <ctime>

#include "chat/objects.hpp"
#include "chat/operators.hpp"
#include "chat/printing.hpp"

namespace llorch::chat {
namespace {

Value range(Runtime&, const Arguments& arguments) {
  const auto values = bind(arguments, "range", {"start", "stop", "step"}, 1);
  const std::int64_t first = as_integer(*values[0], "range");
  const std::int64_t begin = values[1] ? first : 0;
  const std::int64_t end = values[1] ? as_integer(*values[1], "range") : first;
  const std::int64_t step = values[2] ? as_integer(*values[2], "range") : 1;
  if (step == 0) fail("range: step must not be zero");
  std::uint64_t distance = 0;  // unsigned: the difference of two int64 may not fit one
  if (step > 0 && begin < end) distance = static_cast<std::uint64_t>(end) - static_cast<std::uint64_t>(begin);
  if (step < 0 && begin > end) distance = static_cast<std::uint64_t>(begin) - static_cast<std::uint64_t>(end);
  const std::uint64_t stride = step > 0 ? static_cast<std::uint64_t>(step) : ~static_cast<std::uint64_t>(step) + 1;
  const std::uint64_t count = distance / stride + (distance % stride != 0 ? 1 : 0);
  if (count > static_cast<std::uint64_t>(RenderLimits::kMaxRange)) {
    fail(fmt::format("range: expected at most {} numbers, found {}", RenderLimits::kMaxRange, count));
  }
  return ObjectRef(std::make_shared<Range>(begin, step, static_cast<std::size_t>(count)));
}

// dict(mapping or pairs, name=value...), also for namespace().
std::vector<std::pair<Value, Value>> dict_entries(Runtime& runtime, const Arguments& arguments, std::string_view what) {
  if (arguments.positional.size() > 1) fail(fmt::format("{}: expected at most one positional argument", what));
  std::vector<std::pair<Value, Value>> entries;
  const auto put = [&](const Value& key, const Value& value) {
    runtime.spend(entries.size() / 8 + 1);
    for (auto& [name, old] : entries) {
      if (!equal(runtime, name, key)) continue;
      old = value;
      return;
    }
    entries.emplace_back(key, value);
  };
  if (!arguments.positional.empty()) {
    const Value& from = arguments.positional[0];
    require_defined(from);
    if (const DictNode* dict = from.dict()) {
      entries = dict->entries;
    } else {
      for (const Value& pair : iterate(runtime, from)) {
        const std::vector<Value> two = iterate(runtime, pair);
        if (two.size() != 2) fail(fmt::format("{}: expected pairs of key and value", what));
        if (!hashable(runtime, two[0])) fail(fmt::format("unhashable type: '{}'", type_name(two[0])));
        put(two[0], two[1]);
      }
    }
  }
  for (const auto& [name, value] : arguments.named)
    put(make_text(runtime, name), value);
  return entries;
}

Value dict(Runtime& runtime, const Arguments& arguments) {
  return make_dict(runtime, dict_entries(runtime, arguments, "dict"));
}

Value make_namespace(Runtime& runtime, const Arguments& arguments) {
  auto created = std::make_shared<Namespace>(runtime);
  for (auto& [name, value] : dict_entries(runtime, arguments, "namespace"))
    created->set(as_text(name, "namespace").bytes(), std::move(value));
  runtime.keep(created);
  return ObjectRef(std::move(created));
}

Value raise_exception(Runtime& runtime, const Arguments& arguments) {
  const auto values = bind(arguments, "raise_exception", {"message"}, 1);
  throw Raised(to_text(runtime, *values[0]).bytes());
}

Value strftime_now(Runtime& runtime, const Arguments& arguments) {
  const auto values = bind(arguments, "strftime_now", {"format"}, 1);
  const std::string& format = as_text(*values[0], "strftime_now").bytes();
  if (format.empty()) return make_text(runtime, Text());
  if (format.find('\0') != std::string::npos) fail("strftime_now: expected a format without NUL, found one");
  const std::time_t now = std::chrono::system_clock::to_time_t(runtime.now());
  std::tm local{};
  if (localtime_r(&now, &local) == nullptr) fail("strftime_now: the time cannot be represented");
  std::array<char, 512> buffer{};
  const std::size_t length = std::strftime(buffer.data(), buffer.size(), format.c_str(), &local);
  if (length == 0) fail("strftime_now: expected a result of 1 to 511 bytes");
  return make_text(runtime, std::string_view(buffer.data(), length));
}

// joiner(sep): nothing at its first call, the separator at the others.
Value joiner(Runtime& runtime, const Arguments& arguments) {
  const auto values = bind(arguments, "joiner", {"sep"});
  const Value separator = values[0] ? *values[0] : make_text(runtime, ", ");
  const Value nothing = make_text(runtime, Text());
  return make_function(
      runtime,
      [separator, nothing, used = false](Runtime&, const Arguments&) mutable {
        return std::exchange(used, true) ? separator : nothing;
      },
      separator.depth());
}

class Cycler : public Object {
 public:
  explicit Cycler(std::vector<Value> items, std::uint32_t depth) : items_(std::move(items)), depth_(depth) {}
  [[nodiscard]] std::string_view type_name() const override { return "Cycler"; }
  [[nodiscard]] std::uint32_t depth() const override { return depth_; }
  [[nodiscard]] std::optional<Value> attribute(Runtime& runtime, std::string_view name) override {
    if (name == "current") return items_[*position_];
    if (name != "next" && name != "reset") return std::nullopt;
    return make_function(
        runtime,
        [items = items_, position = position_, next = name == "next"](Runtime&, const Arguments&) -> Value {
          const std::size_t at = *position;
          *position = next ? (at + 1) % items.size() : 0;
          return next ? items[at] : Value(None{});
        },
        depth_);
  }

 private:
  std::vector<Value> items_;
  std::shared_ptr<std::size_t> position_ = std::make_shared<std::size_t>(0);
  std::uint32_t depth_;
};

Value cycler(Runtime& runtime, const Arguments& arguments) {
  if (arguments.positional.empty() || !arguments.named.empty()) fail("cycler: expected items");
  const Value list = make_list(runtime, arguments.positional);
  return ObjectRef(std::make_shared<Cycler>(arguments.positional, list.depth()));
}

}  // namespace

std::optional<Value> find_global(Runtime& runtime, std::string_view name) {
  using Function = Value (*)(Runtime&, const Arguments&);
  static constexpr std::array<std::pair<std::string_view, Function>, 7> kFunctions = {
      {{"range", range},
       {"dict", dict},
       {"namespace", make_namespace},
       {"raise_exception", raise_exception},
       {"strftime_now", strftime_now},
       {"joiner", joiner},
       {"cycler", cycler}}};
  for (const auto& [known, function] : kFunctions) {
    if (known == name) return make_function(runtime, function);
  }
  return std::nullopt;
}

}  // namespace llorch::chat
