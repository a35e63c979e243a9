#include "tools/metadata_text.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cmath>
#include <cstring>
#include <variant>
#include <vector>

#include "base/text.hpp"
#include "tokenizer/incremental_decoder.hpp"

namespace llorch::tools {
namespace {

namespace json = boost::json;
using model_file::Array;
using model_file::ElementType;
using model_file::Value;

constexpr std::uint64_t kShown = 6;  // elements of an array
constexpr std::size_t kMaxText = 160;

template <class Stored, class Kept>
Value element(const Array& array, std::uint64_t i) {
  Stored value;
  std::memcpy(&value, array.data + i * sizeof(Stored), sizeof(Stored));
  return static_cast<Kept>(value);
}

Value element(const Array& array, std::uint64_t i) {
  switch (array.type) {
    case ElementType::kU8:
      return element<std::uint8_t, std::uint64_t>(array, i);
    case ElementType::kI8:
      return element<std::int8_t, std::int64_t>(array, i);
    case ElementType::kU16:
      return element<std::uint16_t, std::uint64_t>(array, i);
    case ElementType::kI16:
      return element<std::int16_t, std::int64_t>(array, i);
    case ElementType::kU32:
      return element<std::uint32_t, std::uint64_t>(array, i);
    case ElementType::kI32:
      return element<std::int32_t, std::int64_t>(array, i);
    case ElementType::kF32:
      return element<float, double>(array, i);
    case ElementType::kBool:
      return static_cast<unsigned char>(array.data[i]) != 0;
    case ElementType::kString:
      return (*array.strings)[i];
    case ElementType::kU64:
      return element<std::uint64_t, std::uint64_t>(array, i);
    case ElementType::kI64:
      return element<std::int64_t, std::int64_t>(array, i);
    case ElementType::kF64:
      return element<double, double>(array, i);
    case ElementType::kArray:
      break;
  }
  return Value(false);
}

/// The first elements; none of an array of arrays.
std::vector<Value> first_elements(const Array& array) {
  std::vector<Value> out;
  if (array.type == ElementType::kArray) return out;
  for (std::uint64_t i = 0; i < std::min(array.count, kShown); ++i) {
    out.push_back(element(array, i));
  }
  return out;
}

}  // namespace

std::string metadata_text(const Value& value) {  // NOLINT(misc-no-recursion): elements are scalars
  if (const auto* b = std::get_if<bool>(&value)) return *b ? "true" : "false";
  if (const auto* i = std::get_if<std::int64_t>(&value)) return fmt::format("{}", *i);
  if (const auto* u = std::get_if<std::uint64_t>(&value)) return fmt::format("{}", *u);
  // Most files hold f32: the shortest text of that says what their author wrote.
  if (const auto* d = std::get_if<double>(&value))
    return static_cast<double>(static_cast<float>(*d)) == *d ? fmt::format("{}", static_cast<float>(*d))
                                                             : fmt::format("{}", *d);
  if (const auto* s = std::get_if<std::string_view>(&value)) return quote(*s, kMaxText);
  const Array& array = std::get<Array>(value);
  std::string out;
  for (const Value& first : first_elements(array)) {
    out += (out.empty() ? "" : ", ") + metadata_text(first);
  }
  if (array.count > kShown) out += ", ...";
  return fmt::format("{} x {}: {}", array.count, model_file::element_name(array.type), out);
}

json::value text_json(std::string_view text) {
  tokenizer::IncrementalDecoder decoder;
  std::string valid = decoder.push(text);
  valid += decoder.flush();
  return json::value(json::string_view(valid));
}

json::value metadata_json(const Value& value) {  // NOLINT(misc-no-recursion): elements are scalars
  if (const auto* b = std::get_if<bool>(&value)) return json::value(*b);
  if (const auto* i = std::get_if<std::int64_t>(&value)) return json::value(*i);
  if (const auto* u = std::get_if<std::uint64_t>(&value)) return json::value(*u);
  if (const auto* d = std::get_if<double>(&value))
    return std::isfinite(*d) ? json::value(*d) : json::value(json::string_view(fmt::format("{}", *d)));
  if (const auto* s = std::get_if<std::string_view>(&value)) return text_json(*s);
  const Array& array = std::get<Array>(value);
  json::array first;
  for (const Value& one : first_elements(array)) {
    first.push_back(metadata_json(one));
  }
  json::object out;
  out["type"] = json::string_view(model_file::element_name(array.type));
  out["count"] = array.count;
  out["first"] = std::move(first);
  return out;
}

}  // namespace llorch::tools
