#include "model_file/config_reader.hpp"

#include <spdlog/fmt/fmt.h>

namespace llorch::model_file {

namespace json = boost::json;

const json::value* ConfigReader::find(std::string_view key) const {
  const json::value* value = object_.if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

Error ConfigReader::bad(std::string_view key, std::string_view what) const {
  return make_error(ErrorCode::kBadModel, fmt::format("{}: key '{}': {}", origin_, key, what));
}

Error ConfigReader::unsupported(std::string_view key, std::string_view what) const {
  return make_error(ErrorCode::kUnsupported, fmt::format("{}: key '{}': {}", origin_, key, what));
}

Result<std::uint64_t> ConfigReader::u64(std::string_view key) const {
  const json::value* value = find(key);
  if (value == nullptr) return bad(key, "is missing");
  if (value->is_uint64()) return value->get_uint64();
  if (value->is_int64() && value->get_int64() >= 0) return static_cast<std::uint64_t>(value->get_int64());
  return bad(key, "expected an integer of 0 or more");
}

Result<double> ConfigReader::f64_or(std::string_view key, double otherwise) const {
  const json::value* value = find(key);
  if (value == nullptr) return otherwise;
  if (value->is_double()) return value->get_double();
  if (value->is_int64()) return static_cast<double>(value->get_int64());
  return bad(key, "expected a number");
}

Result<bool> ConfigReader::bool_or(std::string_view key, bool otherwise) const {
  const json::value* value = find(key);
  if (value == nullptr) return otherwise;
  if (value->is_bool()) return value->get_bool();
  return bad(key, "expected true or false");
}

Result<std::string_view> ConfigReader::string(std::string_view key) const {
  const json::value* value = find(key);
  if (value == nullptr) return bad(key, "is missing");
  if (!value->is_string()) return bad(key, "expected a string");
  return std::string_view(value->get_string());
}

Result<std::string_view> ConfigReader::string_or(std::string_view key, std::string_view otherwise) const {
  if (find(key) == nullptr) return otherwise;
  return string(key);
}

}  // namespace llorch::model_file
