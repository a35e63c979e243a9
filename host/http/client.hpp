// The one outgoing request of the worker: a JSON POST, for the ready callback.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <string>

#include "base/result.hpp"

namespace llorch::http {

/// Sends `body` as application/json and returns the status of the answer, whatever it is; redirects are not followed.
/// The answer's head may have 8 KiB, its body is not read, the connection is closed. `deadline` covers connecting,
/// sending and receiving together: kTimeout. kIo: refused, reset, not HTTP. The name is resolved in a
/// background thread, whose own time-out (the system's) may outlast the deadline. [io-thread]
[[nodiscard]] boost::asio::awaitable<Result<unsigned>> post_json(std::string url, std::string body,
                                                                 std::chrono::milliseconds deadline);

}  // namespace llorch::http
