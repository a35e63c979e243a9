// Python's operators on values. What Python refuses is a Failure.
#pragma once

#include <optional>

#include "chat/ast.hpp"
#include "chat/value.hpp"

namespace llorch::chat {

[[nodiscard]] Value apply(Runtime& runtime, BinaryOperator op, const Value& left, const Value& right);
[[nodiscard]] Value negate(const Value& operand);
[[nodiscard]] bool compare(Runtime& runtime, Comparison op, const Value& left, const Value& right);
/// left < right, as sorting needs it.
[[nodiscard]] bool less(Runtime& runtime, const Value& left, const Value& right);
[[nodiscard]] bool contains(Runtime& runtime, const Value& container, const Value& item);
/// value.name: methods and attributes first, then the item of that name.
[[nodiscard]] Value get_attribute(Runtime& runtime, const Value& value, std::string_view name);
/// value[key]: the item first, then the attribute of that name.
[[nodiscard]] Value get_item(Runtime& runtime, const Value& value, const Value& key);
struct SliceBounds {
  std::optional<std::int64_t> begin, end, step;
};
[[nodiscard]] Value get_slice(Runtime& runtime, const Value& value, const SliceBounds& bounds);
[[nodiscard]] Value call_value(Runtime& runtime, const Value& function, const Arguments& arguments);

}  // namespace llorch::chat
