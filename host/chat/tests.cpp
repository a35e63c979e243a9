// The language's tests: `value is name`.
#include <spdlog/fmt/fmt.h>

#include <cmath>
#include <map>

#include "chat/filters.hpp"
#include "chat/objects.hpp"
#include "chat/operators.hpp"
#include "chat/printing.hpp"
#include "chat/unicode.hpp"

namespace llorch::chat {
namespace {

void no_arguments(const Arguments& arguments) {
  static_cast<void>(bind(arguments, "a test", {}));
}

template <bool (*kHolds)(const Value&)>
bool plain(Runtime&, const Value& subject, const Arguments& arguments) {
  no_arguments(arguments);
  return kHolds(subject);
}

bool is_defined(const Value& value) {
  return !value.is_undefined();
}
bool is_undefined(const Value& value) {
  return value.is_undefined();
}
bool is_none(const Value& value) {
  return value.is<None>();
}
bool is_boolean(const Value& value) {
  return value.is<bool>();
}
bool is_true(const Value& value) {
  return value.is<bool>() && truth(value);
}
bool is_false(const Value& value) {
  return value.is<bool>() && !truth(value);
}
bool is_integer(const Value& value) {
  return value.is<std::int64_t>();
}
bool is_float(const Value& value) {
  return value.is<double>();
}
bool is_number(const Value& value) {
  return value.number().has_value();
}
bool is_string(const Value& value) {
  return value.text() != nullptr;
}
bool is_mapping(const Value& value) {
  return value.dict() != nullptr;
}
bool is_callable(const Value& value) {
  return value.is_undefined() || (value.object() != nullptr && value.object()->callable());
}
bool is_sequence(const Value& value) {
  if (value.text() != nullptr || value.dict() != nullptr || value.is_undefined()) return true;
  if (const auto* list = value.get_if<ListRef>()) {
    return (*list)->kind == ListKind::kList || (*list)->kind == ListKind::kTuple;
  }
  return dynamic_cast<const Range*>(value.object()) != nullptr;
}
bool never(const Value&) {
  return false;
}

bool is_iterable(Runtime&, const Value& subject, const Arguments& arguments) {
  no_arguments(arguments);
  if (subject.text() != nullptr || subject.items() != nullptr || subject.dict() != nullptr) return true;
  if (subject.is_undefined()) return true;
  return dynamic_cast<const Generator*>(subject.object()) != nullptr ||
         dynamic_cast<const Range*>(subject.object()) != nullptr;
}

std::int64_t remainder(Runtime& runtime, const Value& subject, std::int64_t divisor) {
  const Value rest = apply(runtime, BinaryOperator::kModulo, subject, divisor);
  if (const auto whole = rest.integer()) return *whole;
  const auto* real = rest.get_if<double>();
  return real != nullptr && *real == std::floor(*real) ? static_cast<std::int64_t>(*real) : -1;
}

template <std::int64_t kRest>
bool has_parity(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  no_arguments(arguments);
  return remainder(runtime, subject, 2) == kRest;
}

bool divisible_by(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  const auto values = bind(arguments, "divisibleby", {"num"}, 1);
  return equal(runtime, apply(runtime, BinaryOperator::kModulo, subject, *values[0]), std::int64_t{0});
}

template <Comparison kOp>
bool compares(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  const auto values = bind(arguments, "a comparison", {"other"}, 1);
  return compare(runtime, kOp, subject, *values[0]);
}

bool is_same(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  const auto values = bind(arguments, "sameas", {"other"}, 1);
  const Value& other = *values[0];
  if (subject.content().index() != other.content().index()) return false;
  if (const auto* list = subject.get_if<ListRef>()) return *list == *other.get_if<ListRef>();
  if (const auto* dict = subject.get_if<DictRef>()) return *dict == *other.get_if<DictRef>();
  return equal(runtime, subject, other);
}

template <bool kUpper>
bool has_case(Runtime& runtime, const Value& subject, const Arguments& arguments) {
  no_arguments(arguments);
  bool any = false;
  bool all = true;
  const Text text = to_text(runtime, subject);
  for_each_character(text.bytes(), [&](char32_t c, std::string_view) {
    if (!is_cased(c)) return;
    any = true;
    all = all && (kUpper ? is_upper(c) : is_lower(c));
  });
  return any && all;
}

template <bool kFilter>
bool names_known(Runtime&, const Value& subject, const Arguments& arguments) {
  no_arguments(arguments);
  const std::string& name = as_text(subject, "filter or test").bytes();
  if (!kFilter) return find_test(name) != nullptr;
  return find_text_filter(name) != nullptr || find_sequence_filter(name) != nullptr;
}

}  // namespace

Test find_test(std::string_view name) {
  static const std::map<std::string_view, Test> tests = {
      {"defined", plain<is_defined>},
      {"undefined", plain<is_undefined>},
      {"none", plain<is_none>},
      {"boolean", plain<is_boolean>},
      {"true", plain<is_true>},
      {"false", plain<is_false>},
      {"integer", plain<is_integer>},
      {"float", plain<is_float>},
      {"number", plain<is_number>},
      {"string", plain<is_string>},
      {"mapping", plain<is_mapping>},
      {"callable", plain<is_callable>},
      {"sequence", plain<is_sequence>},
      {"escaped", plain<never>},
      {"iterable", is_iterable},
      {"even", has_parity<0>},
      {"odd", has_parity<1>},
      {"divisibleby", divisible_by},
      {"sameas", is_same},
      {"lower", has_case<false>},
      {"upper", has_case<true>},
      {"filter", names_known<true>},
      {"test", names_known<false>},
      {"in", compares<Comparison::kIn>},
      {"eq", compares<Comparison::kEqual>},
      {"equalto", compares<Comparison::kEqual>},
      {"==", compares<Comparison::kEqual>},
      {"ne", compares<Comparison::kNotEqual>},
      {"!=", compares<Comparison::kNotEqual>},
      {"lt", compares<Comparison::kLess>},
      {"lessthan", compares<Comparison::kLess>},
      {"<", compares<Comparison::kLess>},
      {"le", compares<Comparison::kLessEqual>},
      {"<=", compares<Comparison::kLessEqual>},
      {"gt", compares<Comparison::kGreater>},
      {"greaterthan", compares<Comparison::kGreater>},
      {">", compares<Comparison::kGreater>},
      {"ge", compares<Comparison::kGreaterEqual>},
      {">=", compares<Comparison::kGreaterEqual>},
  };
  const auto found = tests.find(name);
  return found == tests.end() ? nullptr : found->second;
}

}  // namespace llorch::chat
