// One HTTP request and the means to answer it, as handlers see them. Nothing in this room knows what a token is.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "http/headers.hpp"

namespace llorch::http {

/// A request that has passed framing, limits and authorization. Names of headers are lower case.
struct Request {
  std::string method;
  std::string path;   ///< percent-decoded, validated: no dot segments, NUL, back-slash or invalid UTF-8
  std::string query;  ///< raw, without '?'
  Headers headers;
  std::string body;
  std::string id;  ///< x-request-id, accepted or made
  [[nodiscard]] std::optional<std::string_view> header(std::string_view lower_case_name) const;
};

struct Response {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;
  Headers headers;
};

/// The answer's side of one request. All functions on the I/O thread; the session outlives the handler's coroutine.
class Exchange {
 public:
  virtual ~Exchange() = default;
  [[nodiscard]] virtual boost::asio::any_io_executor executor() = 0;
  /// One whole response; at most once, and not after begin_stream. (Pass a named or function-made Response: GCC 12
  /// destroys braced temporaries inside a co_await expression twice.)
  virtual boost::asio::awaitable<void> respond(Response response) = 0;
  /// Sends status line and headers of a text/event-stream (chunked on HTTP/1.1, until close on 1.0). False: the peer is
  /// gone.
  virtual boost::asio::awaitable<bool> begin_stream(Headers headers) = 0;
  /// Sends bytes of the stream as they are. False: the peer is gone or too slow (write deadline); stop producing.
  virtual boost::asio::awaitable<bool> write(std::string bytes) = 0;
  virtual boost::asio::awaitable<void> end_stream() = 0;
  /// Called at most once, on the I/O thread, when the peer is found gone while the handler runs; not after it returned,
  /// and never from inside respond() or write(), which tell it by their result.
  virtual void on_disconnect(std::function<void()> callback) = 0;
  [[nodiscard]] virtual bool disconnected() const = 0;
};

using Handler = std::function<boost::asio::awaitable<void>(const Request&, Exchange&)>;

}  // namespace llorch::http
