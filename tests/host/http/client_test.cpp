// The outgoing POST: what it sends, what it returns, and that nothing makes it wait beyond its deadline.
#include "http/client.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <boost/test/unit_test.hpp>
#include <exception>
#include <optional>
#include <string>
#include <thread>
#include <utility>

using namespace llorch;
using boost::asio::ip::tcp;
using std::chrono::milliseconds;

namespace {

Result<unsigned> post(const std::string& url, const std::string& body = "{}",
                      milliseconds deadline = milliseconds(5000)) {
  boost::asio::io_context io;
  std::optional<Result<unsigned>> result;
  boost::asio::co_spawn(io, http::post_json(url, body, deadline),
                        [&](const std::exception_ptr& failure, Result<unsigned> status) {
                          if (failure) std::rethrow_exception(failure);
                          result = std::move(status);
                        });
  io.run();
  return result.value();
}

/// Accepts one connection, reads a request whose body ends in '}', answers with `answer`; with none it stays silent
/// until the client leaves.
class OneShotServer {
 public:
  explicit OneShotServer(std::string answer) : answer_(std::move(answer)), thread_([this] { serve(); }) {}
  ~OneShotServer() { thread_.join(); }
  OneShotServer(const OneShotServer&) = delete;
  OneShotServer& operator=(const OneShotServer&) = delete;

  [[nodiscard]] std::string url(const std::string& target) const {
    return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()) + target;
  }
  /// After post() returned: what it sent.
  [[nodiscard]] std::string request() {
    thread_.join();
    thread_ = std::thread([] {});
    return request_;
  }

 private:
  void serve() {
    tcp::socket socket(io_);
    boost::system::error_code error;
    acceptor_.accept(socket, error);
    boost::asio::read_until(socket, boost::asio::dynamic_buffer(request_), '}', error);
    boost::asio::write(socket, boost::asio::buffer(answer_), error);
    std::string rest;
    boost::asio::read(socket, boost::asio::dynamic_buffer(rest), error);  // up to the client's end
  }

  boost::asio::io_context io_;
  tcp::acceptor acceptor_{io_, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)};
  std::string answer_, request_;
  std::thread thread_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(http_client)

BOOST_AUTO_TEST_CASE(it_posts_json_and_returns_the_status) {
  OneShotServer server("HTTP/1.1 204 No Content\r\n\r\n");
  const auto status = post(server.url("/ready?w=0"), R"({"worker_id":"w0"})");
  BOOST_REQUIRE_MESSAGE(status, status.error().message);
  BOOST_TEST(*status == 204U);
  const std::string request = server.request();
  BOOST_TEST(request.starts_with("POST /ready?w=0 HTTP/1.1\r\n"), request);
  BOOST_TEST(request.find("\r\nHost: 127.0.0.1:") != std::string::npos, request);
  BOOST_TEST(request.find("\r\nContent-Type: application/json\r\n") != std::string::npos, request);
  BOOST_TEST(request.find("\r\nContent-Length: 18\r\n") != std::string::npos, request);
  BOOST_TEST(request.ends_with("\r\n\r\n{\"worker_id\":\"w0\"}"), request);
}

BOOST_AUTO_TEST_CASE(a_redirect_is_a_status_like_any_other) {
  OneShotServer server("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
  const auto status = post(server.url("/"));
  BOOST_REQUIRE_MESSAGE(status, status.error().message);
  BOOST_TEST(*status == 307U);
}

BOOST_AUTO_TEST_CASE(a_body_that_never_ends_is_not_waited_for) {
  OneShotServer server("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\nabc");
  const auto status = post(server.url("/"));
  BOOST_REQUIRE_MESSAGE(status, status.error().message);
  BOOST_TEST(*status == 200U);
}

BOOST_AUTO_TEST_CASE(a_silent_server_is_a_timeout) {
  OneShotServer server("");
  const auto status = post(server.url("/"), "{}", milliseconds(100));
  BOOST_REQUIRE(!status);
  BOOST_TEST((status.error().code == ErrorCode::kTimeout), status.error().message);
}

BOOST_AUTO_TEST_CASE(an_endless_head_and_other_protocols_are_errors) {
  for (const std::string& answer :
       {"HTTP/1.1 200 OK\r\nX: " + std::string(20'000, 'x'), std::string("SSH-2.0-x\r\n\r\n")}) {
    OneShotServer server(answer);
    const auto status = post(server.url("/"));
    BOOST_REQUIRE(!status);
    BOOST_TEST((status.error().code == ErrorCode::kIo), status.error().message);
    BOOST_TEST(status.error().message.starts_with("no valid answer from 127.0.0.1:"), status.error().message);
  }
}

BOOST_AUTO_TEST_CASE(a_refused_connection_is_an_error_that_names_the_address) {
  boost::asio::io_context io;
  tcp::acceptor taken(io, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0));
  const std::string port = std::to_string(taken.local_endpoint().port());
  taken.close();
  const auto status = post("http://127.0.0.1:" + port + "/");
  BOOST_REQUIRE(!status);
  BOOST_TEST(status.error().message == "cannot connect to 127.0.0.1:" + port + ": Connection refused");
}

BOOST_AUTO_TEST_CASE(https_is_refused_with_advice) {
  const auto status = post("https://127.0.0.1/");
  BOOST_REQUIRE(!status);
  BOOST_TEST((status.error().code == ErrorCode::kUnsupported));
}

BOOST_AUTO_TEST_SUITE_END()
