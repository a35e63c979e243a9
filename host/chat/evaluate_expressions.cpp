#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "chat/filters.hpp"
#include "chat/frame.hpp"
#include "chat/objects.hpp"
#include "chat/operators.hpp"
#include "chat/printing.hpp"

namespace llorch::chat {

Value evaluate(const Expression& expression, Frame& frame) {
  const Runtime::Level level(frame.runtime, expression.line);
  return expression.evaluate(frame);
}

Arguments evaluate_arguments(const CallArguments& arguments, Frame& frame) {
  Arguments values;
  for (const ExpressionPtr& argument : arguments.positional)
    values.positional.push_back(evaluate(*argument, frame));
  if (arguments.more_positional) {
    const Value more = evaluate(*arguments.more_positional, frame);
    for (Value& item : iterate(frame.runtime, more))
      values.positional.push_back(std::move(item));
  }
  for (const auto& [name, argument] : arguments.named)
    values.named.emplace_back(name, evaluate(*argument, frame));
  if (arguments.more_named) {
    const Value more = evaluate(*arguments.more_named, frame);
    if (more.dict() == nullptr) fail(fmt::format("expected a dict after **, found {}", type_name(more)));
    for (const auto& [name, value] : more.dict()->entries)
      values.named.emplace_back(as_text(name, "a named argument").bytes(), value);
  }
  return values;
}

Value apply_filter(const Application& filter, const Value& subject, Frame& frame) {
  return run_filter(frame.runtime, filter.name, subject, evaluate_arguments(filter.arguments, frame));
}

Value Constant::evaluate(Frame&) const {
  return value;
}

Value Name::evaluate(Frame& frame) const {
  if (const Value* found = frame.scope->find(name)) return *found;
  if (auto global = find_global(frame.runtime, name)) return *std::move(global);
  return undefined(fmt::format("'{}' is undefined", name));
}

Value ListDisplay::evaluate(Frame& frame) const {
  std::vector<Value> values;
  values.reserve(items.size());
  for (const ExpressionPtr& item : items)
    values.push_back(llorch::chat::evaluate(*item, frame));
  return make_list(frame.runtime, std::move(values), kind);
}

Value DictDisplay::evaluate(Frame& frame) const {
  std::vector<std::pair<Value, Value>> values;
  for (const auto& [key_expression, value_expression] : entries) {
    Value key = llorch::chat::evaluate(*key_expression, frame);
    Value value = llorch::chat::evaluate(*value_expression, frame);
    if (!hashable(frame.runtime, key)) fail(fmt::format("unhashable type: '{}'", type_name(key)));
    const auto same = std::find_if(values.begin(), values.end(),
                                   [&](const auto& entry) { return equal(frame.runtime, entry.first, key); });
    if (same != values.end()) {
      same->second = std::move(value);
    } else {
      values.emplace_back(std::move(key), std::move(value));
    }
  }
  return make_dict(frame.runtime, std::move(values));
}

Value Unary::evaluate(Frame& frame) const {
  Value value = llorch::chat::evaluate(*operand, frame);
  if (op == UnaryOperator::kNot) return !truth(value);
  if (op == UnaryOperator::kMinus) return negate(value);
  require_defined(value);
  if (value.is<double>()) return value;
  const auto whole = value.integer();
  if (!whole) fail(fmt::format("bad operand type for unary +: '{}'", type_name(value)));
  return *whole;
}

Value Binary::evaluate(Frame& frame) const {
  const Value a = llorch::chat::evaluate(*left, frame);
  return apply(frame.runtime, op, a, llorch::chat::evaluate(*right, frame));
}

Value Logical::evaluate(Frame& frame) const {
  Value value = llorch::chat::evaluate(*left, frame);
  return truth(value) == is_and ? llorch::chat::evaluate(*right, frame) : value;
}

Value Concatenation::evaluate(Frame& frame) const {
  TextBuilder out(frame.runtime);
  for (const ExpressionPtr& part : parts)
    out.append(to_text(frame.runtime, llorch::chat::evaluate(*part, frame)));
  return out.value();
}

Value Comparisons::evaluate(Frame& frame) const {
  Value left = llorch::chat::evaluate(*first, frame);
  for (const auto& [op, operand] : rest) {
    Value right = llorch::chat::evaluate(*operand, frame);
    if (!compare(frame.runtime, op, left, right)) return false;
    left = std::move(right);
  }
  return true;
}

Value Conditional::evaluate(Frame& frame) const {
  if (truth(llorch::chat::evaluate(*condition, frame))) return llorch::chat::evaluate(*then, frame);
  if (otherwise) return llorch::chat::evaluate(*otherwise, frame);
  return undefined("the condition of an inline if without else was false, and its value was used");
}

Value Attribute::evaluate(Frame& frame) const {
  return get_attribute(frame.runtime, llorch::chat::evaluate(*object, frame), name);
}

Value Item::evaluate(Frame& frame) const {
  const Value of = llorch::chat::evaluate(*object, frame);
  return get_item(frame.runtime, of, llorch::chat::evaluate(*key, frame));
}

Value Slice::evaluate(Frame& frame) const {
  const Value of = llorch::chat::evaluate(*object, frame);
  const auto bound = [&](const ExpressionPtr& expression) -> std::optional<std::int64_t> {
    if (!expression) return std::nullopt;
    const Value value = llorch::chat::evaluate(*expression, frame);
    return value.is<None>() ? std::nullopt : std::optional<std::int64_t>(as_integer(value, "slice"));
  };
  SliceBounds bounds;
  bounds.begin = bound(begin);
  bounds.end = bound(end);
  bounds.step = bound(step);
  return get_slice(frame.runtime, of, bounds);
}

Value Filtered::evaluate(Frame& frame) const {
  return apply_filter(filter, llorch::chat::evaluate(*subject, frame), frame);
}

Value Tested::evaluate(Frame& frame) const {
  const Value value = llorch::chat::evaluate(*subject, frame);
  return run_test(frame.runtime, test.name, value, evaluate_arguments(test.arguments, frame)) != negated;
}

Value Call::evaluate(Frame& frame) const {
  const Value callee = llorch::chat::evaluate(*function, frame);
  return call_value(frame.runtime, callee, evaluate_arguments(arguments, frame));
}

}  // namespace llorch::chat
