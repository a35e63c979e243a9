#include "http/client.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <charconv>
#include <utility>

namespace llorch::http {
namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

Error bad_url(const char* what) {
  return make_error(ErrorCode::kInvalidArgument, std::string("URL: ") + what + " (expected http://host[:port]/path)");
}

Error failure(const char* step, const Url& url, error_code error) {
  const bool timed_out = error == beast::error::timeout;
  std::string message =
      std::string(step) + " " + url.authority + ": " + (timed_out ? std::string("deadline passed") : error.message());
  return make_error(timed_out ? ErrorCode::kTimeout : ErrorCode::kIo, std::move(message));
}

Result<std::uint16_t> parse_port(std::string_view text) {
  unsigned port = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, port);
  if (parsed.ec != std::errc() || parsed.ptr != end || port == 0 || port > 65535) {
    return bad_url("the port must be 1 to 65535");
  }
  return static_cast<std::uint16_t>(port);
}

}  // namespace

Result<Url> parse_url(std::string_view url) {
  if (url.starts_with("https://")) {
    return make_error(ErrorCode::kUnsupported, "URL: https is not supported, only http:// (use a local proxy for TLS)");
  }
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) return bad_url("it does not begin with http://");
  url.remove_prefix(kScheme.size());
  const auto visible = [](char c) { return c > 0x20 && c < 0x7F; };
  if (!std::all_of(url.begin(), url.end(), visible)) return bad_url("it holds white space or characters beyond ASCII");
  const std::size_t end = std::min(url.find_first_of("/?#"), url.size());
  Url result;
  result.authority = url.substr(0, end);
  result.target = url.substr(end, url.find('#') == std::string_view::npos ? url.size() : url.find('#') - end);
  if (!result.target.starts_with('/')) result.target.insert(0, "/");
  std::string_view host = result.authority;
  if (host.find('@') != std::string_view::npos) return bad_url("user information is not accepted");
  const std::size_t bracket = host.starts_with('[') ? host.find(']') : 0;
  if (bracket == std::string_view::npos) return bad_url("'[' without ']'");
  if (const std::size_t colon = host.find(':', bracket); colon != std::string_view::npos) {
    auto port = parse_port(host.substr(colon + 1));
    if (!port) return port.error();
    result.port = *port;
    host = host.substr(0, colon);
  }
  if (bracket > 0) {
    if (host.back() != ']') return bad_url("characters between ']' and the port");
    host = host.substr(1, host.size() - 2);
  }
  if (host.empty()) return bad_url("no host");
  result.host = host;
  return result;
}

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
    tcp::resolver resolver(executor);
    const std::string service = std::to_string(target.port);
    auto [error, found] = co_await resolver.async_resolve(target.host, service, kAwait);
    if (error) co_return failure("cannot resolve", target, error);
    endpoints = std::move(found);
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
