#include "http/authorization.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace llorch::http {
namespace {

bool equal_in_constant_time(std::string_view given, std::string_view key) {
  if (key.empty()) return false;
  unsigned difference = given.size() == key.size() ? 0U : 1U;
  for (std::size_t i = 0; i < given.size(); ++i) {
    difference |= static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(key[i % key.size()]);
  }
  return difference == 0;
}

bool starts_with_bearer(std::string_view value) {
  constexpr std::string_view kScheme = "bearer ";
  if (value.size() < kScheme.size()) return false;
  const auto same = [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); };
  return std::equal(kScheme.begin(), kScheme.end(), value.begin(), same);
}

}  // namespace

bool is_open_path(std::string_view path) {
  constexpr std::array<std::string_view, 6> kOpen = {"/livez",   "/readyz",         "/health",
                                                     "/metrics", "/v2/health/live", "/v2/health/ready"};
  return std::find(kOpen.begin(), kOpen.end(), path) != kOpen.end();
}

bool is_authorized(const Headers& headers, std::string_view api_key) {
  std::string_view value;
  unsigned count = 0;
  for (const auto& [name, text] : headers) {
    if (name != "authorization") continue;
    value = text;
    ++count;
  }
  if (count != 1 || !starts_with_bearer(value)) return false;
  value.remove_prefix(value.find(' ') + 1);
  value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
  return equal_in_constant_time(value, api_key);
}

}  // namespace llorch::http
