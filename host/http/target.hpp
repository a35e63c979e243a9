// The request target: which resource, decoded once and held to strict rules.
#pragma once

#include <string>
#include <string_view>

#include "http/fault.hpp"

namespace llorch::http {

struct Target {
  std::string path;   ///< decoded; begins with '/', or is "*" for OPTIONS *
  std::string query;  ///< as sent, without '?'
};

/// Splits and decodes origin-form (`/path?query`), absolute-form (`http://host/path`) and, for OPTIONS, `*`.
/// Refused with 400: other forms, a broken percent escape, and whatever could make two readers see two paths: encoded
/// slash, back-slash, NUL and other control characters, invalid UTF-8, `.` and `..` segments, a fragment.
/// Percent escapes are decoded exactly once. (RFC 9112 section 3.2, RFC 3986 section 3.3) [any-thread]
[[nodiscard]] Parsed<Target> parse_target(std::string_view method, std::string_view target);

}  // namespace llorch::http
