#include "model_file/metadata.hpp"

#include <spdlog/fmt/fmt.h>

#include <cstring>
#include <utility>

namespace llorch::model_file {
namespace {

std::string type_name(const Value& value) {
  struct Namer {
    std::string operator()(bool) const { return "a bool"; }
    std::string operator()(std::int64_t v) const { return fmt::format("the integer {}", v); }
    std::string operator()(std::uint64_t v) const { return fmt::format("the integer {}", v); }
    std::string operator()(double v) const { return fmt::format("the number {}", v); }
    std::string operator()(std::string_view) const { return "a string"; }
    std::string operator()(const Array& a) const { return fmt::format("an array of {}", element_name(a.type)); }
  };
  return std::visit(Namer{}, value);
}

Error wrong_type(const std::string& origin, std::string_view key, std::string_view expected, const Value& found) {
  return make_error(ErrorCode::kBadModel,
                    fmt::format("{}: key '{}': expected {}, found {}", origin, key, expected, type_name(found)));
}

Error missing(const std::string& origin, std::string_view key) {
  return make_error(ErrorCode::kBadModel, fmt::format("{}: key '{}' is missing", origin, key));
}

template <class T, class Out>
std::vector<Out> widen(const Array& array) {
  std::vector<Out> out(array.count);
  for (std::uint64_t i = 0; i < array.count; ++i) {
    T value;
    std::memcpy(&value, array.data + i * sizeof(T), sizeof(T));
    out[i] = static_cast<Out>(value);  // NOLINT(bugprone-signed-char-misuse): int8 is meant as a number
  }
  return out;
}

/// "absent" becomes an error.
template <class T>
Result<T> required(Result<std::optional<T>> value, const std::string& origin, std::string_view key) {
  if (!value) return value.error();
  if (!*value) return missing(origin, key);
  return **value;
}

}  // namespace

std::string_view element_name(ElementType type) {
  switch (type) {
    case ElementType::kU8:
      return "u8";
    case ElementType::kI8:
      return "i8";
    case ElementType::kU16:
      return "u16";
    case ElementType::kI16:
      return "i16";
    case ElementType::kU32:
      return "u32";
    case ElementType::kI32:
      return "i32";
    case ElementType::kF32:
      return "f32";
    case ElementType::kBool:
      return "bool";
    case ElementType::kString:
      return "string";
    case ElementType::kArray:
      return "array";
    case ElementType::kU64:
      return "u64";
    case ElementType::kI64:
      return "i64";
    case ElementType::kF64:
      return "f64";
  }
  return "unknown";
}

const Value* Metadata::find(std::string_view key) const {
  const auto it = entries_.find(key);
  return it == entries_.end() ? nullptr : &it->second;
}

bool Metadata::insert(std::string key, Value value) {  // NOLINT(performance-unnecessary-value-param): it is moved
  return entries_.try_emplace(std::move(key), std::move(value)).second;
}

Result<std::optional<std::uint64_t>> Metadata::optional_u64(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return std::optional<std::uint64_t>();
  if (const auto* u = std::get_if<std::uint64_t>(value)) return std::optional(*u);
  if (const auto* i = std::get_if<std::int64_t>(value); i != nullptr && *i >= 0) {
    return std::optional(static_cast<std::uint64_t>(*i));
  }
  return wrong_type(origin_, key, "an integer of 0 or more", *value);
}

Result<std::optional<double>> Metadata::optional_f64(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return std::optional<double>();
  if (const auto* d = std::get_if<double>(value)) return std::optional(*d);
  return wrong_type(origin_, key, "a floating-point number", *value);
}

Result<std::optional<bool>> Metadata::optional_bool(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return std::optional<bool>();
  if (const auto* b = std::get_if<bool>(value)) return std::optional(*b);
  return wrong_type(origin_, key, "a bool", *value);
}

Result<std::optional<std::string_view>> Metadata::optional_string(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return std::optional<std::string_view>();
  if (const auto* s = std::get_if<std::string_view>(value)) return std::optional(*s);
  return wrong_type(origin_, key, "a string", *value);
}

Result<std::uint64_t> Metadata::u64(std::string_view key) const {
  return required(optional_u64(key), origin_, key);
}
Result<double> Metadata::f64(std::string_view key) const {
  return required(optional_f64(key), origin_, key);
}
Result<std::string_view> Metadata::string(std::string_view key) const {
  return required(optional_string(key), origin_, key);
}

Result<std::vector<std::string_view>> Metadata::strings(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return missing(origin_, key);
  const auto* array = std::get_if<Array>(value);
  if (array == nullptr || array->type != ElementType::kString) {
    return wrong_type(origin_, key, "an array of string", *value);
  }
  return *array->strings;
}

Result<std::vector<std::int64_t>> Metadata::integers(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return missing(origin_, key);
  if (const auto* array = std::get_if<Array>(value)) {
    switch (array->type) {
      case ElementType::kU8:
        return widen<std::uint8_t, std::int64_t>(*array);
      case ElementType::kI8:
        return widen<std::int8_t, std::int64_t>(*array);
      case ElementType::kU16:
        return widen<std::uint16_t, std::int64_t>(*array);
      case ElementType::kI16:
        return widen<std::int16_t, std::int64_t>(*array);
      case ElementType::kU32:
        return widen<std::uint32_t, std::int64_t>(*array);
      case ElementType::kI32:
        return widen<std::int32_t, std::int64_t>(*array);
      case ElementType::kU64:  // beyond 2^63 becomes negative, which no caller's range check accepts
        return widen<std::uint64_t, std::int64_t>(*array);
      case ElementType::kI64:
        return widen<std::int64_t, std::int64_t>(*array);
      default:
        break;
    }
  }
  return wrong_type(origin_, key, "an array of integers", *value);
}

Result<std::vector<float>> Metadata::floats(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return missing(origin_, key);
  if (const auto* array = std::get_if<Array>(value)) {
    if (array->type == ElementType::kF32) return widen<float, float>(*array);
    if (array->type == ElementType::kF64) return widen<double, float>(*array);
  }
  return wrong_type(origin_, key, "an array of f32", *value);
}

}  // namespace llorch::model_file
