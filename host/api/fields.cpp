#include "api/fields.hpp"

#include <spdlog/fmt/fmt.h>

namespace llorch::api {
std::optional<std::uint64_t> as_unsigned(const boost::json::value& value) {
  if (value.is_uint64()) return value.get_uint64();
  if (value.is_int64()) {
    if (value.get_int64() < 0) return std::nullopt;
    return static_cast<std::uint64_t>(value.get_int64());
  }
  return std::nullopt;
}

const boost::json::value* Fields::find(std::string_view name) {
  known_.emplace(name);
  const boost::json::value* value = object_.if_contains(name);
  if (value != nullptr && value->is_null() && null_means_ == NullMeans::kAbsent) return nullptr;
  return value;
}

void Fields::add(std::string field, std::string constraint, std::string message, boost::json::value value) {
  faults_.push_back({std::move(field), std::move(constraint), std::move(message), std::move(value)});
}

void Fields::require(std::string_view name) {
  if (find(name) == nullptr) add(std::string(name), "required", fmt::format("{} is required", name), nullptr);
}

void Fields::wrong_type(std::string_view name, std::string_view expected, const boost::json::value& found) {
  add(std::string(name), std::string(expected),
      fmt::format("{} must be of type {}, found {}", name, expected, kind_name(found)), found);
}

std::optional<double> Fields::number(std::string_view name, double low, double high) {
  const boost::json::value* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) {
    wrong_type(name, "number", *value);
    return std::nullopt;
  }
  const double number = value->to_number<double>();
  if (!(number >= low && number <= high)) {
    add(std::string(name), fmt::format("range({}..={})", low, high),
        fmt::format("{} must be from {} to {}, found {}", name, low, high, number), *value);
    return std::nullopt;
  }
  return number;
}

std::optional<std::uint64_t> Fields::integer(std::string_view name, std::uint64_t low, std::uint64_t high) {
  const boost::json::value* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_int64() && !value->is_uint64()) {
    wrong_type(name, "integer", *value);
    return std::nullopt;
  }
  const std::optional<std::uint64_t> number = as_unsigned(*value);
  if (!number || *number < low || *number > high) {
    add(std::string(name), fmt::format("range({}..={})", low, high),
        fmt::format("{} must be an integer from {} to {}", name, low, high), *value);
    return std::nullopt;
  }
  return number;
}

std::optional<bool> Fields::boolean(std::string_view name) {
  const boost::json::value* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_bool()) {
    wrong_type(name, "boolean", *value);
    return std::nullopt;
  }
  return value->get_bool();
}

std::optional<std::string> Fields::string(std::string_view name) {
  const boost::json::value* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) {
    wrong_type(name, "string", *value);
    return std::nullopt;
  }
  return std::string(value->get_string());
}

std::vector<std::string> Fields::strings(std::string_view name, std::size_t max_items, std::size_t max_bytes,
                                         bool lone_string_allowed) {
  std::vector<std::string> list;
  const boost::json::value* value = find(name);
  if (value == nullptr) return list;
  const auto take = [&](const std::string& field, const boost::json::value& item) {
    if (!item.is_string()) {
      wrong_type(field, "string", item);
      return;
    }
    const std::size_t size = item.get_string().size();
    if (size < 1 || size > max_bytes) {
      add(field, fmt::format("bytes(1..={})", max_bytes),
          fmt::format("{} must have 1 to {} bytes, found {}", field, max_bytes, size), size);
      return;
    }
    list.emplace_back(item.get_string());
  };
  if (value->is_string() && lone_string_allowed) {
    take(std::string(name), *value);
    return list;
  }
  if (!value->is_array()) {
    wrong_type(name, lone_string_allowed ? "string or array of strings" : "array of strings", *value);
    return list;
  }
  const boost::json::array& items = value->get_array();
  if (items.size() > max_items) {
    add(std::string(name), fmt::format("items(0..={})", max_items),
        fmt::format("{} may hold at most {} strings, found {}", name, max_items, items.size()), items.size());
    return list;
  }
  for (std::size_t i = 0; i < items.size(); ++i)
    take(fmt::format("{}[{}]", name, i), items[i]);
  return list;
}

std::string clean_name(std::string_view name) {
  constexpr std::size_t kLongestName = 64;
  std::string clean(name.substr(0, kLongestName));
  for (char& c : clean) {
    if (c < 0x21 || c > 0x7E) c = '?';  // a name is the client's text: nothing of it may shape the log
  }
  return clean;
}

std::vector<std::string> Fields::unknown() const {
  std::vector<std::string> names;
  for (const auto& member : object_) {
    if (known_.contains(std::string_view(member.key()))) continue;
    names.push_back(clean_name(member.key()));
    if (names.size() == kMostIgnored) break;
  }
  return names;
}

}  // namespace llorch::api
