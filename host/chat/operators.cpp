#include "chat/operators.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "chat/objects.hpp"
#include "chat/printf_format.hpp"
#include "chat/search.hpp"

namespace llorch::chat {
namespace {

constexpr std::string_view symbol(BinaryOperator op) {
  constexpr std::array<std::string_view, 7> kSymbols = {"+", "-", "*", "/", "//", "%", "**"};
  return kSymbols[static_cast<std::size_t>(op)];
}

[[noreturn]] void unsupported(BinaryOperator op, const Value& left, const Value& right) {
  fail(fmt::format("unsupported operand types for {}: '{}' and '{}'", symbol(op), type_name(left), type_name(right)));
}

[[noreturn]] void overflow() {
  fail("an integer exceeds 64 bits");
}

std::int64_t power(std::int64_t base, std::int64_t exponent) {
  std::int64_t result = 1;
  if (base == 0 || base == 1) return exponent == 0 ? 1 : base;
  if (base == -1) return exponent % 2 == 0 ? 1 : -1;
  for (; exponent > 0; --exponent) {
    if (__builtin_mul_overflow(result, base, &result)) overflow();
  }
  return result;
}

Value integers(BinaryOperator op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  switch (op) {
    case BinaryOperator::kAdd:
      if (__builtin_add_overflow(a, b, &result)) overflow();
      return result;
    case BinaryOperator::kSubtract:
      if (__builtin_sub_overflow(a, b, &result)) overflow();
      return result;
    case BinaryOperator::kMultiply:
      if (__builtin_mul_overflow(a, b, &result)) overflow();
      return result;
    case BinaryOperator::kDivide:
      if (b == 0) fail("division by zero");
      return static_cast<double>(a) / static_cast<double>(b);
    case BinaryOperator::kFloorDivide:
    case BinaryOperator::kModulo: {
      if (b == 0) fail("division by zero");
      if (b == -1) {
        if (op == BinaryOperator::kModulo) return std::int64_t{0};
        if (__builtin_sub_overflow(std::int64_t{0}, a, &result)) overflow();
        return result;
      }
      const bool adjust = a % b != 0 && (a % b < 0) != (b < 0);  // Python rounds down
      return op == BinaryOperator::kFloorDivide ? a / b - (adjust ? 1 : 0) : a % b + (adjust ? b : 0);
    }
    case BinaryOperator::kPower:
      if (b < 0 && a == 0) fail("0 cannot be raised to a negative power");
      if (b < 0) return std::pow(static_cast<double>(a), static_cast<double>(b));
      return power(a, b);
  }
  return {};
}

Value reals(BinaryOperator op, double a, double b) {
  switch (op) {
    case BinaryOperator::kAdd:
      return a + b;
    case BinaryOperator::kSubtract:
      return a - b;
    case BinaryOperator::kMultiply:
      return a * b;
    case BinaryOperator::kDivide:
      if (b == 0) fail("division by zero");
      return a / b;
    case BinaryOperator::kFloorDivide:
    case BinaryOperator::kModulo: {
      if (b == 0) fail("division by zero");
      double rest = std::fmod(a, b);
      double quotient = (a - rest) / b;
      if (rest != 0 && (rest < 0) != (b < 0)) {
        rest += b;
        quotient -= 1;
      }
      if (op == BinaryOperator::kModulo) return rest == 0 ? std::copysign(0.0, b) : rest;
      return quotient == 0 ? std::copysign(0.0, a / b) : std::floor(quotient + 0.5);
    }
    case BinaryOperator::kPower:
      if (a == 0 && b < 0) fail("0 cannot be raised to a negative power");
      if (a < 0 && b != std::floor(b)) fail("a negative number cannot be raised to a fraction");
      return std::pow(a, b);
  }
  return {};
}

// The repetition of a text or list; before it is built, its size is checked.
Value repeat(Runtime& runtime, const Value& what, std::int64_t times) {
  const auto count = static_cast<std::size_t>(std::max<std::int64_t>(times, 0));
  if (const Text* text = what.text()) {
    if (!text->empty()) runtime.meter.check(count);
    if (!text->empty() && count > 0) runtime.meter.check(count * std::min(text->size(), SIZE_MAX / count));
    TextBuilder out(runtime);
    for (std::size_t i = 0; i < count && !text->empty(); ++i)
      out.append(*text);
    return out.value();
  }
  const auto& items = *what.items();
  std::vector<Value> all;
  if (!items.empty() && count > 0) {
    runtime.meter.check(count);
    runtime.meter.check(count * std::min(items.size() * sizeof(Value), SIZE_MAX / count));
    runtime.spend(count * items.size());
    for (std::size_t i = 0; i < count; ++i)
      all.insert(all.end(), items.begin(), items.end());
  }
  return make_list(runtime, std::move(all), (*what.get_if<ListRef>())->kind);
}

// Lists and tuples; views of dicts are neither.
std::optional<ListKind> sequence_kind(const Value& value) {
  const auto* list = value.get_if<ListRef>();
  if (list == nullptr || ((*list)->kind != ListKind::kList && (*list)->kind != ListKind::kTuple)) return std::nullopt;
  return (*list)->kind;
}

bool repeatable(const Value& value) {
  return value.text() != nullptr || sequence_kind(value);
}

// -1, 0, 1; fails where Python cannot order the two.
int order(Runtime& runtime, std::string_view op, const Value& left, const Value& right) {
  runtime.spend();
  require_defined(left);
  require_defined(right);
  if (const auto a = left.integer(), b = right.integer(); a && b) return *a < *b ? -1 : *a > *b ? 1 : 0;
  if (const auto a = left.number(), b = right.number(); a && b) return *a < *b ? -1 : *a > *b ? 1 : 0;
  if (left.text() != nullptr && right.text() != nullptr) {
    runtime.spend_bytes(std::min(left.text()->size(), right.text()->size()));
    const int by_bytes = left.text()->bytes().compare(right.text()->bytes());  // UTF-8 keeps the order of code points
    return by_bytes < 0 ? -1 : by_bytes > 0 ? 1 : 0;
  }
  if (sequence_kind(left) && sequence_kind(left) == sequence_kind(right)) {
    const auto& a = *left.items();
    const auto& b = *right.items();
    for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
      if (!equal(runtime, a[i], b[i])) return order(runtime, op, a[i], b[i]);
    }
    return a.size() < b.size() ? -1 : a.size() > b.size() ? 1 : 0;
  }
  fail(fmt::format("'{}' not supported between '{}' and '{}'", op, type_name(left), type_name(right)));
}

bool is_nan(const Value& value) {
  const auto* number = value.get_if<double>();
  return number != nullptr && std::isnan(*number);
}

Value no_attribute(const Value& value, std::string_view name) {
  return undefined(fmt::format("'{}' has no attribute '{}'", describe(value), name));
}

// Positions of value[begin:end:step] among `size` items, as Python's slice.indices() has them.
std::vector<std::size_t> slice_positions(Runtime& runtime, const SliceBounds& bounds, std::size_t size) {
  const std::int64_t step = bounds.step.value_or(1);
  if (step == 0) fail("slice step cannot be zero");
  const auto count = static_cast<std::int64_t>(size);
  const std::int64_t low = step > 0 ? 0 : -1;
  const std::int64_t high = step > 0 ? count : count - 1;
  const auto place = [&](const std::optional<std::int64_t>& bound, std::int64_t otherwise) {
    if (!bound) return otherwise;
    return std::clamp(*bound < 0 ? *bound + count : *bound, low, high);
  };
  const std::int64_t begin = place(bounds.begin, step > 0 ? low : high);
  const std::int64_t end = place(bounds.end, step > 0 ? high : low);
  std::vector<std::size_t> positions;
  for (std::int64_t at = begin; step > 0 ? at < end : at > end;) {
    runtime.spend();
    positions.push_back(static_cast<std::size_t>(at));
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  return positions;
}

}  // namespace

Value apply(Runtime& runtime, BinaryOperator op, const Value& left, const Value& right) {
  if (op == BinaryOperator::kModulo && left.text() != nullptr) return printf_format(runtime, *left.text(), right);
  require_defined(left);
  require_defined(right);
  if (const auto a = left.integer(), b = right.integer(); a && b) return integers(op, *a, *b);
  if (const auto a = left.number(), b = right.number(); a && b) return reals(op, *a, *b);
  if (op == BinaryOperator::kAdd) {
    if (left.text() != nullptr && right.text() != nullptr) {
      TextBuilder out(runtime);
      out.append(*left.text());
      out.append(*right.text());
      return out.value();
    }
    if (sequence_kind(left) && sequence_kind(left) == sequence_kind(right)) {
      std::vector<Value> all = *left.items();
      all.insert(all.end(), right.items()->begin(), right.items()->end());
      return make_list(runtime, std::move(all), *sequence_kind(left));
    }
  }
  if (op == BinaryOperator::kMultiply) {
    if (repeatable(left) && right.integer()) return repeat(runtime, left, *right.integer());
    if (repeatable(right) && left.integer()) return repeat(runtime, right, *left.integer());
  }
  unsupported(op, left, right);
}

Value negate(const Value& operand) {
  require_defined(operand);
  if (const auto* real = operand.get_if<double>()) return -*real;
  const auto whole = operand.integer();
  if (!whole) fail(fmt::format("bad operand type for unary -: '{}'", type_name(operand)));
  return integers(BinaryOperator::kSubtract, 0, *whole);
}

bool compare(Runtime& runtime, Comparison op, const Value& left, const Value& right) {
  switch (op) {
    case Comparison::kEqual:
      return equal(runtime, left, right);
    case Comparison::kNotEqual:
      return !equal(runtime, left, right);
    case Comparison::kIn:
      return contains(runtime, right, left);
    case Comparison::kNotIn:
      return !contains(runtime, right, left);
    default:
      break;
  }
  constexpr std::array<std::string_view, 4> kSymbols = {"<", "<=", ">", ">="};
  const auto which = static_cast<std::size_t>(op) - static_cast<std::size_t>(Comparison::kLess);
  const int result = order(runtime, kSymbols[which], left, right);
  if (is_nan(left) || is_nan(right)) return false;
  const std::array<bool, 4> holds = {result<0, result <= 0, result> 0, result >= 0};
  return holds[which];
}

bool less(Runtime& runtime, const Value& left, const Value& right) {
  return order(runtime, "<", left, right) < 0;
}

bool contains(Runtime& runtime, const Value& container, const Value& item) {
  if (const Text* text = container.text()) {
    if (item.text() == nullptr) {
      fail(fmt::format("'in <string>' requires string as left operand, not {}", type_name(item)));
    }
    return find_first(runtime, text->bytes(), item.text()->bytes()) != std::string_view::npos;
  }
  if (const DictNode* dict = container.dict()) {
    if (!hashable(runtime, item)) fail(fmt::format("unhashable type: '{}'", type_name(item)));
    return dict->find(runtime, item) != nullptr;
  }
  if (container.is_undefined()) return false;
  const std::vector<Value> items = iterate(runtime, container);
  return std::any_of(items.begin(), items.end(), [&](const Value& each) { return equal(runtime, each, item); });
}

Value get_attribute(Runtime& runtime, const Value& value, std::string_view name) {
  require_defined(value);
  if (auto method = find_method(runtime, value, name)) return *std::move(method);
  if (Object* object = value.object()) {
    if (auto found = object->attribute(runtime, name)) return *std::move(found);
  }
  if (const DictNode* dict = value.dict()) {
    runtime.spend(dict->entries.size() / 8);
    if (const Value* found = dict->find(name)) return *found;
  }
  return no_attribute(value, name);
}

Value get_item(Runtime& runtime, const Value& value, const Value& key) {
  require_defined(value);
  if (const DictNode* dict = value.dict()) {
    runtime.spend(dict->entries.size() / 8);
    if (const Value* found = dict->find(runtime, key)) return *found;
  } else if (const auto index = key.integer()) {
    const auto at = [&](std::size_t size) {
      const std::int64_t place = *index < 0 ? *index + static_cast<std::int64_t>(size) : *index;
      return place >= 0 && place < static_cast<std::int64_t>(size) ? static_cast<std::size_t>(place) : SIZE_MAX;
    };
    if (const Text* text = value.text()) {
      const std::size_t place = at(text->length());
      if (!text->is_ascii()) runtime.spend_bytes(text->size());
      if (place != SIZE_MAX) {
        return make_text(runtime, text->slice(text->offset_of(place), text->offset_of(place + 1)));
      }
    } else if (sequence_kind(value)) {
      const std::size_t place = at(value.items()->size());
      if (place != SIZE_MAX) return (*value.items())[place];
    } else if (Object* object = value.object()) {
      if (auto found = object->item(runtime, *index)) return *std::move(found);
    }
    return undefined(fmt::format("'{}' has no element {}", describe(value), *index));
  }
  const Text* name = key.text();
  if (name == nullptr) return undefined(fmt::format("'{}' has no such element", describe(value)));
  if (auto method = find_method(runtime, value, name->bytes())) return *std::move(method);
  if (Object* object = value.object()) {
    if (auto found = object->attribute(runtime, name->bytes())) return *std::move(found);
  }
  return no_attribute(value, name->bytes());
}

Value get_slice(Runtime& runtime, const Value& value, const SliceBounds& bounds) {
  require_defined(value);
  if (const Text* text = value.text()) {
    if (!text->is_ascii()) runtime.spend_bytes(text->size());
    const std::vector<std::size_t> positions = slice_positions(runtime, bounds, text->length());
    if (positions.empty()) return make_text(runtime, Text());
    if (bounds.step.value_or(1) == 1) {
      return make_text(runtime, text->slice(text->offset_of(positions.front()), text->offset_of(positions.back() + 1)));
    }
    const std::vector<Value> characters = iterate(runtime, value);
    TextBuilder out(runtime);
    for (const std::size_t at : positions)
      out.append(*characters[at].text());
    return out.value();
  }
  std::vector<Value> items;
  ListKind kind = ListKind::kList;
  if (const auto sequence = sequence_kind(value)) {
    kind = *sequence;
    items = *value.items();
  } else if (Object* object = value.object(); object != nullptr && object->item(runtime, 0)) {
    items = iterate(runtime, value);
  } else {
    fail(fmt::format("'{}' cannot be sliced", describe(value)));
  }
  std::vector<Value> chosen;
  for (const std::size_t at : slice_positions(runtime, bounds, items.size()))
    chosen.push_back(items[at]);
  return make_list(runtime, std::move(chosen), kind);
}

Value call_value(Runtime& runtime, const Value& function, const Arguments& arguments) {
  require_defined(function);
  Object* object = function.object();
  if (object == nullptr || !object->callable()) {
    fail(fmt::format("'{}' object is not callable", type_name(function)));
  }
  return object->call(runtime, arguments);
}

}  // namespace llorch::chat
