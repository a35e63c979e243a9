// The one outgoing request of the worker: a JSON POST, for the ready callback.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace llorch::http {

struct Url {
  std::string host;  ///< name or address; IPv6 without its brackets
  std::uint16_t port = 80;
  std::string target;     ///< path and query, at least "/"
  std::string authority;  ///< host[:port] as a Host header wants it
};

/// Takes `http://host[:port][/path][?query]` apart. kUnsupported: https. kInvalidArgument: anything else, user
/// information, characters outside visible ASCII. [any-thread]
[[nodiscard]] Result<Url> parse_url(std::string_view url);

/// Sends `body` as application/json and returns the status of the answer, whatever it is; redirects are not followed.
/// The answer's head may have 8 KiB, its body is not read, the connection is closed. `deadline` covers connecting,
/// sending and receiving together: kTimeout. kIo: refused, reset, not HTTP. The name is resolved in a
/// background thread, whose own time-out (the system's) may outlast the deadline. [io-thread]
[[nodiscard]] boost::asio::awaitable<Result<unsigned>> post_json(std::string url, std::string body,
                                                                 std::chrono::milliseconds deadline);

}  // namespace llorch::http
