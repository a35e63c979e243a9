#include "http/client.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <memory>
#include <utility>

#include "base/url.hpp"
#include "http/await.hpp"

namespace llorch::http {
namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

/// A name server's silence cannot be cancelled, only waited for no longer; so the answer may outlive the request.
struct Lookup {
  explicit Lookup(const asio::any_io_executor& executor) : timer(executor), resolver(executor) {}
  asio::steady_timer timer;
  tcp::resolver resolver;
  error_code error = beast::error::timeout;
  tcp::resolver::results_type found;
};

Error failure(const char* step, const Url& url, error_code error) {
  const bool timed_out = error == beast::error::timeout;
  std::string message =
      std::string(step) + " " + url.authority + ": " + (timed_out ? std::string("deadline passed") : error.message());
  return make_error(timed_out ? ErrorCode::kTimeout : ErrorCode::kIo, std::move(message));
}

}  // namespace

asio::awaitable<Result<unsigned>> post_json(std::string url, std::string body, std::chrono::milliseconds deadline) {
  auto parsed = parse_url(url);
  if (!parsed) co_return parsed.error();
  const Url target = std::move(*parsed);
  const auto executor = co_await asio::this_coro::executor;
  beast::tcp_stream stream(executor);
  stream.expires_after(deadline);  // one deadline for all that follows

  error_code address_error;
  const auto address = asio::ip::make_address(target.host, address_error);
  tcp::resolver::results_type endpoints;
  if (!address_error) {
    const tcp::endpoint endpoint(address, target.port);
    endpoints = tcp::resolver::results_type::create(endpoint, target.host, std::to_string(target.port));
  } else {
    const auto lookup = std::make_shared<Lookup>(executor);
    lookup->timer.expires_after(deadline);
    lookup->resolver.async_resolve(target.host, std::to_string(target.port),
                                   [lookup](error_code error, tcp::resolver::results_type found) {
                                     lookup->error = error;
                                     lookup->found = std::move(found);
                                     lookup->timer.cancel();
                                   });
    co_await lookup->timer.async_wait(kAwait);
    if (lookup->error) co_return failure("cannot resolve", target, lookup->error);
    endpoints = lookup->found;
  }
  auto [connect_error, endpoint] = co_await stream.async_connect(endpoints, kAwait);
  if (connect_error) co_return failure("cannot connect to", target, connect_error);

  beast::http::request<beast::http::string_body> request(beast::http::verb::post, target.target, 11);
  request.set(beast::http::field::host, target.authority);
  request.set(beast::http::field::content_type, "application/json");
  request.set(beast::http::field::user_agent, "llorch");
  request.set(beast::http::field::connection, "close");
  request.body() = std::move(body);
  request.prepare_payload();
  auto [write_error, written] = co_await beast::http::async_write(stream, request, kAwait);
  if (write_error) co_return failure("cannot send to", target, write_error);

  // The status is all that is asked for: a body that is long or never ends does not matter.
  constexpr std::uint32_t kMaxHead = 8 * 1024;
  beast::flat_buffer buffer(2 * kMaxHead);
  beast::http::response_parser<beast::http::empty_body> parser;
  parser.header_limit(kMaxHead);
  parser.body_limit(boost::none);  // whatever length it announces
  auto [read_error, read] = co_await beast::http::async_read_header(stream, buffer, parser, kAwait);
  if (read_error) co_return failure("no valid answer from", target, read_error);
  error_code ignored;
  stream.socket().shutdown(tcp::socket::shutdown_both, ignored);
  co_return parser.get().result_int();
}

}  // namespace llorch::http
