// A real server on a free port, its I/O thread, and routes that show what the session does.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "http/server.hpp"
#include "http/sse.hpp"
#include "support/raw_http_client.hpp"

namespace llorch::testing {

/// Counted from the I/O thread, waited for from the test's: no sleeps, and a bound against hangs.
class Counter {
 public:
  void add() {
    ++count_;
    count_.notify_all();
  }
  [[nodiscard]] int value() const { return count_; }
  /// True as soon as the count reaches `wanted`; false after ten seconds.
  [[nodiscard]] bool reaches(int wanted) const {
    for (int i = 0; i < 10'000 && count_ < wanted; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return count_ >= wanted;
  }

 private:
  std::atomic<int> count_{0};
};

/// Routes: GET /health, GET /echo (its query), POST /echo (its body), POST /smuggled (counts), POST /wait (answers when
/// release() is called or the client is gone), POST /stream (begins a stream, then waits the same way), POST /flood
/// (writes until the client is gone), GET /throw, GET /mute (returns without an answer), POST /cut (throws mid-stream).
class HttpServer {
 public:
  explicit HttpServer(http::ServerOptions options = {}) {
    add_routes();
    options.port = 0;
    server_ = http::Server::create(io_, router_, options).value();
    server_->start();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~HttpServer() {
    on_io([this] {
      server_->stop();
      release_.cancel();
    });
    thread_.join();  // ends only when every session and handler has ended
  }
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return server_->port(); }
  [[nodiscard]] http::Server& server() { return *server_; }
  void on_io(const std::function<void()>& work) {
    std::promise<void> done;
    boost::asio::post(io_, [&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }
  void release() {
    on_io([this] { release_.cancel(); });
  }
  std::size_t open_connections() {
    std::size_t count = 0;
    on_io([&] { count = server_->open_connections(); });
    return count;
  }

  Counter started, finished, disconnected, smuggled;
  std::atomic<std::size_t> flooded{0};  ///< bytes that /flood could write

 private:
  using Task = boost::asio::awaitable<void>;

  // GCC 12 destroys braced temporaries inside a co_await expression twice: responses are made by a function.
  static http::Response text(std::string body, http::Headers headers = {}) {
    http::Response response;
    response.content_type = "text/plain";
    response.body = std::move(body);
    response.headers = std::move(headers);
    return response;
  }

  Task wait_for_release(http::Exchange& exchange) {
    exchange.on_disconnect([this] {
      disconnected.add();
      release_.cancel();
    });
    started.add();
    boost::system::error_code error;
    co_await release_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, error));
  }

  void add_routes() {
    router_.error_body = [](unsigned status, std::string_view message) {
      return http::Response{status, "text/plain", std::string(message), {}};
    };
    router_.add("GET", "/health", [](const http::Request&, http::Exchange& exchange) -> Task {
      co_await exchange.respond(text("healthy"));
    });
    router_.add("GET", "/echo", [](const http::Request& request, http::Exchange& exchange) -> Task {
      co_await exchange.respond(text(request.query));
    });
    router_.add("POST", "/echo", [](const http::Request& request, http::Exchange& exchange) -> Task {
      http::Headers headers;
      if (request.header("x-trailer")) headers.emplace_back("X-Merged", "yes");
      co_await exchange.respond(text(request.body, headers));
    });
    router_.add("POST", "/smuggled", [this](const http::Request&, http::Exchange& exchange) -> Task {
      smuggled.add();
      co_await exchange.respond(text("smuggled"));
    });
    router_.add("POST", "/wait", [this](const http::Request&, http::Exchange& exchange) -> Task {
      co_await wait_for_release(exchange);
      co_await exchange.respond(text("waited"));
      finished.add();
    });
    router_.add("POST", "/stream", [this](const http::Request&, http::Exchange& exchange) -> Task {
      co_await exchange.begin_stream({});
      co_await exchange.write(http::sse_event("started", "{}"));
      co_await wait_for_release(exchange);
      co_await exchange.write(http::sse_data("[DONE]"));
      co_await exchange.end_stream();
      finished.add();
    });
    router_.add("POST", "/flood", [this](const http::Request&, http::Exchange& exchange) -> Task {
      exchange.on_disconnect([this] { disconnected.add(); });
      co_await exchange.begin_stream({});
      const std::string event = http::sse_data(std::string(1000, 'x'));
      started.add();
      while (co_await exchange.write(event))
        flooded += event.size();
      finished.add();
    });
    router_.add("GET", "/throw", [](const http::Request&, http::Exchange&) -> Task {
      throw std::runtime_error("on purpose");
      co_return;
    });
    router_.add("GET", "/mute", [](const http::Request&, http::Exchange&) -> Task { co_return; });
    router_.add("POST", "/cut", [](const http::Request&, http::Exchange& exchange) -> Task {
      co_await exchange.begin_stream({});
      co_await exchange.write(http::sse_data("{}"));
      throw std::runtime_error("on purpose");
    });
  }

  boost::asio::io_context io_{1};
  boost::asio::steady_timer release_{io_, boost::asio::steady_timer::time_point::max()};
  http::Router router_;
  std::unique_ptr<http::Server> server_;
  std::thread thread_;
};

inline std::string get(const std::string& path, const std::string& more = "") {
  return "GET " + path + " HTTP/1.1\r\nHost: h\r\n" + more + "\r\n";
}
inline std::string post(const std::string& path, const std::string& body, const std::string& more = "") {
  return "POST " + path + " HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + more +
         "\r\n" + body;
}

}  // namespace llorch::testing
