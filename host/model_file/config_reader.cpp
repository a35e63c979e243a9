#include "model_file/config_reader.hpp"

#include <spdlog/fmt/fmt.h>

#include <boost/json/value.hpp>
#include <cmath>

#include "base/text.hpp"

namespace llorch::model_file {

namespace json = boost::json;

std::string found_text(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return value.get_bool() ? "true" : "false";
    case json::kind::int64:
      return fmt::format("{}", value.get_int64());
    case json::kind::uint64:
      return fmt::format("{}", value.get_uint64());
    case json::kind::double_:
      return fmt::format("{:#}", value.get_double());  // 6.0 is not the integer 6
    case json::kind::string:
      return quote(std::string_view(value.get_string()));
    case json::kind::array:
      return "an array";
    case json::kind::object:
      return "an object";
  }
  return "nothing";
}

const json::value* ConfigReader::find(std::string_view key) const {
  const json::value* value = object_.if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::string ConfigReader::path(std::string_view key) const {
  return parent_.empty() ? std::string(key) : fmt::format("{}.{}", parent_, key);
}

bool ConfigReader::says_null(std::string_view key) const {
  const json::value* value = object_.if_contains(key);
  return value != nullptr && value->is_null();
}

Error ConfigReader::bad(std::string_view key, std::string_view what) const {
  return make_error(ErrorCode::kBadModel, fmt::format("{}: key '{}': {}", origin_, path(key), what));
}

Error ConfigReader::unsupported(std::string_view key, std::string_view what) const {
  return make_error(ErrorCode::kUnsupported, fmt::format("{}: key '{}': {}", origin_, path(key), what));
}

Error ConfigReader::unexpected(std::string_view key, std::string_view expected) const {
  const json::value* value = find(key);
  if (value == nullptr) return bad(key, fmt::format("is missing, expected {}", expected));
  return bad(key, fmt::format("expected {}, found {}", expected, found_text(*value)));
}

Result<std::uint64_t> ConfigReader::u64(std::string_view key) const {
  const json::value* value = find(key);
  if (value != nullptr && value->is_uint64()) return value->get_uint64();
  if (value != nullptr && value->is_int64() && value->get_int64() >= 0)
    return static_cast<std::uint64_t>(value->get_int64());
  return unexpected(key, "an integer of 0 or more");
}

Result<std::uint64_t> ConfigReader::size(std::string_view key, std::uint64_t most) const {
  auto value = u64(key);
  if (value && (*value < 1 || *value > most)) return bad(key, fmt::format("expected 1 to {}, found {}", most, *value));
  return value;
}

Result<double> ConfigReader::f64_or(std::string_view key, double otherwise) const {
  const json::value* value = find(key);
  if (value == nullptr) return otherwise;
  if (value->is_double()) return value->get_double();
  if (value->is_int64()) return static_cast<double>(value->get_int64());
  if (value->is_uint64()) return static_cast<double>(value->get_uint64());
  return unexpected(key, "a number");
}

Result<double> ConfigReader::positive(std::string_view key) const {
  constexpr std::string_view kExpected = "a finite number above 0";
  if (!has(key)) return unexpected(key, kExpected);
  auto value = f64_or(key, 0.0);
  if (value && (!std::isfinite(*value) || *value <= 0)) return unexpected(key, kExpected);
  return value;
}

Result<double> ConfigReader::positive_or(std::string_view key, double otherwise) const {
  return has(key) ? positive(key) : Result<double>(otherwise);
}

Result<bool> ConfigReader::bool_or(std::string_view key, bool otherwise) const {
  const json::value* value = find(key);
  if (value == nullptr) return otherwise;
  if (value->is_bool()) return value->get_bool();
  return unexpected(key, "true or false");
}

Result<std::string_view> ConfigReader::string(std::string_view key) const {
  const json::value* value = find(key);
  if (value == nullptr || !value->is_string()) return unexpected(key, "a string");
  return std::string_view(value->get_string());
}

Result<std::string_view> ConfigReader::string_or(std::string_view key, std::string_view otherwise) const {
  if (find(key) == nullptr) return otherwise;
  return string(key);
}

}  // namespace llorch::model_file
