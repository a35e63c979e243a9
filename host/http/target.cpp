#include "http/target.hpp"

#include <cstdint>
#include <optional>
#include <utility>

#include "base/text.hpp"

namespace llorch::http {
namespace {

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A') + 10;
  return std::nullopt;
}

bool has_dot_segment(std::string_view path) {
  std::size_t begin = 0;
  while (begin <= path.size()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view segment = path.substr(begin, end - begin);
    if (segment == "." || segment == "..") return true;
    begin = end + 1;
  }
  return false;
}

Parsed<std::string> decode_path(std::string_view raw) {
  std::string path;
  path.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size(); ++i) {
    char c = raw[i];
    if (c == '%') {
      const auto high = i + 1 < raw.size() ? hex_digit(raw[i + 1]) : std::nullopt;
      const auto low = i + 2 < raw.size() ? hex_digit(raw[i + 2]) : std::nullopt;
      if (!high || !low) return bad_request("path: '%' must be followed by two hexadecimal digits");
      c = static_cast<char>(*high * 16 + *low);
      i += 2;
      if (c == '/') return bad_request("path: an encoded slash (%2F) is not accepted");
    }
    const auto byte = static_cast<std::uint8_t>(c);
    if (byte < 0x20 || byte == 0x7F) return bad_request("path: control characters are not accepted");
    if (c == '\\') return bad_request("path: a back-slash is not accepted");
    path.push_back(c);
  }
  if (!is_utf8(path)) return bad_request("path: not valid UTF-8 after decoding");
  if (has_dot_segment(path)) return bad_request("path: '.' and '..' segments are not accepted");
  return path;
}

// What follows the authority of `http://authority/path?query`; a missing path means '/'.
Parsed<std::string> origin_form_of(std::string_view absolute) {
  constexpr std::string_view kScheme = "http://";
  if (!absolute.starts_with(kScheme)) return bad_request("request target: expected a path that begins with '/'");
  absolute.remove_prefix(kScheme.size());
  const std::size_t end = std::min(absolute.find_first_of("/?"), absolute.size());
  const std::string_view authority = absolute.substr(0, end);
  if (authority.empty() || authority.find('@') != std::string_view::npos) {
    return bad_request("request target: expected http://host[:port]/path without user information");
  }
  std::string rest(absolute.substr(end));
  if (rest.empty() || rest.front() == '?') rest.insert(rest.begin(), '/');
  return rest;
}

}  // namespace

Parsed<Target> parse_target(std::string_view method, std::string_view target) {
  if (target == "*") {
    if (method == "OPTIONS") return Target{"*", ""};
    return bad_request("request target: '*' is for OPTIONS only");
  }
  if (target.find('#') != std::string_view::npos) return bad_request("request target: a fragment is not accepted");
  std::string origin(target);
  if (!target.starts_with('/')) {
    auto form = origin_form_of(target);
    if (!form) return form.error();
    origin = std::move(*form);
  }
  const std::size_t question = std::min(origin.find('?'), origin.size());
  auto path = decode_path(std::string_view(origin).substr(0, question));
  if (!path) return path.error();
  return Target{std::move(*path), question < origin.size() ? origin.substr(question + 1) : std::string()};
}

}  // namespace llorch::http
