// The URL of an outgoing request.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace llorch {

struct Url {
  std::string host;  ///< name or address; IPv6 without its brackets
  std::uint16_t port = 80;
  std::string target;     ///< path and query, at least "/"
  std::string authority;  ///< host[:port] as a Host header wants it
};

/// Takes `http://host[:port][/path][?query]` apart. kUnsupported: https. kInvalidArgument: anything else, user
/// information, characters outside visible ASCII. [any-thread]
[[nodiscard]] Result<Url> parse_url(std::string_view url);

}  // namespace llorch
