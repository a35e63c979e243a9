#include "tokenizer/json_fields.hpp"

#include <spdlog/fmt/fmt.h>

#include <boost/json/value.hpp>

#include "base/text.hpp"
#include "tokenizer/tokenizer_spec.hpp"

namespace llorch::tokenizer {

namespace json = boost::json;

std::string describe(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return value.get_bool() ? "true" : "false";
    case json::kind::int64:
      return fmt::format("the number {}", value.get_int64());
    case json::kind::uint64:
      return fmt::format("the number {}", value.get_uint64());
    case json::kind::double_:
      return fmt::format("the number {}", value.get_double());
    case json::kind::string:
      return fmt::format("the string {}", quote(std::string_view(value.get_string()), 40));
    case json::kind::array:
      return fmt::format("an array of {}", value.get_array().size());
    case json::kind::object:
      return "an object";
  }
  return "an unknown value";
}

std::optional<TokenId> as_token_id(const json::value& value) {
  std::uint64_t number = kMaxVocabulary;
  if (const auto* with_sign = value.if_int64(); with_sign != nullptr && *with_sign >= 0) {
    number = static_cast<std::uint64_t>(*with_sign);
  } else if (const auto* without_sign = value.if_uint64()) {
    number = *without_sign;
  }
  return number < kMaxVocabulary ? std::optional<TokenId>(static_cast<TokenId>(number)) : std::nullopt;
}

const json::value* JsonFields::find(std::string_view key) const {
  const json::value* value = object_->if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::string JsonFields::place(std::string_view key) const {
  return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
}

Error JsonFields::error(std::string_view key, std::string_view expected, std::string_view found, ErrorCode code) const {
  return make_error(code, fmt::format("{}: {}: expected {}, found {}", *origin_, place(key), expected, found));
}

Result<bool> JsonFields::boolean(std::string_view key, bool otherwise) const {
  const json::value* value = find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_bool()) return error(key, "true or false", describe(*value));
  return value->get_bool();
}

Result<std::optional<std::string_view>> JsonFields::string(std::string_view key) const {
  const json::value* value = find(key);
  if (value == nullptr) return std::optional<std::string_view>();
  if (!value->is_string()) return error(key, "a string", describe(*value));
  return std::optional<std::string_view>(value->get_string());
}

Result<const json::object*> JsonFields::object(std::string_view key) const {
  const json::value* value = find(key);
  if (value == nullptr) return static_cast<const json::object*>(nullptr);
  if (!value->is_object()) return error(key, "an object", describe(*value));
  return &value->get_object();
}

Result<const json::array*> JsonFields::array(std::string_view key) const {
  const json::value* value = find(key);
  if (value == nullptr) return static_cast<const json::array*>(nullptr);
  if (!value->is_array()) return error(key, "an array", describe(*value));
  return &value->get_array();
}

Result<std::optional<TokenId>> JsonFields::token_id(std::string_view key) const {
  const json::value* value = find(key);
  if (value == nullptr) return std::optional<TokenId>();
  const auto id = as_token_id(*value);
  if (!id) return error(key, fmt::format("a token id from 0 to {}", kMaxVocabulary - 1), describe(*value));
  return id;
}

Result<JsonFields> root_fields(const json::value& document, const std::string& origin) {
  if (!document.is_object()) {
    return make_error(ErrorCode::kBadModel,
                      fmt::format("{}: expected an object at the root, found {}", origin, describe(document)));
  }
  return JsonFields(document.get_object(), origin);
}

}  // namespace llorch::tokenizer
