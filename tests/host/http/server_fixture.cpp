#include "server_fixture.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <future>
#include <stdexcept>
#include <utility>

#include "http/server.hpp"
#include "http/sse.hpp"

namespace llorch::testing {

class HttpServer::Impl {
 public:
  Impl(HandlerCounts& counts, http::ServerOptions options) : counts_(counts) {
    add_routes();
    options.port = 0;
    server_ = http::Server::create(io_, router_, options).value();
    server_->start();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Impl() {
    on_io([this] {
      server_->stop();
      release_.cancel();
      work_.reset();
    });
    thread_.join();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

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
  [[nodiscard]] http::Server& server() { return *server_; }

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
      counts_.disconnected.add();
      release_.cancel();
    });
    counts_.started.add();
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
      counts_.smuggled.add();
      co_await exchange.respond(text("smuggled"));
    });
    router_.add("POST", "/wait", [this](const http::Request&, http::Exchange& exchange) -> Task {
      co_await wait_for_release(exchange);
      co_await exchange.respond(text("waited"));
      counts_.finished.add();
    });
    router_.add("POST", "/stream", [this](const http::Request&, http::Exchange& exchange) -> Task {
      co_await exchange.begin_stream({});
      co_await exchange.write(http::sse_event("started", "{}"));
      co_await wait_for_release(exchange);
      co_await exchange.write(http::sse_data("[DONE]"));
      co_await exchange.end_stream();
      counts_.finished.add();
    });
    router_.add("POST", "/flood", [this](const http::Request&, http::Exchange& exchange) -> Task {
      exchange.on_disconnect([this] { counts_.disconnected.add(); });
      co_await exchange.begin_stream({});
      const std::string event = http::sse_data(std::string(1000, 'x'));
      counts_.started.add();
      while (co_await exchange.write(event))
        counts_.flooded += event.size();
      counts_.finished.add();
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

  HandlerCounts& counts_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
  boost::asio::steady_timer release_{io_, boost::asio::steady_timer::time_point::max()};
  http::Router router_;
  std::unique_ptr<http::Server> server_;
  std::thread thread_;
};

HttpServer::HttpServer(http::ServerOptions options) : impl_(std::make_unique<Impl>(*this, std::move(options))) {}
HttpServer::~HttpServer() = default;

std::uint16_t HttpServer::port() const {
  return impl_->server().port();
}

void HttpServer::release() {
  impl_->release();
}

void HttpServer::drain() {
  impl_->on_io([this] { impl_->server().drain(); });
}

void HttpServer::stop() {
  impl_->on_io([this] { impl_->server().stop(); });
}

std::size_t HttpServer::open_connections() {
  std::size_t count = 0;
  impl_->on_io([&] { count = impl_->server().open_connections(); });
  return count;
}

bool HttpServer::falls_to(std::size_t count) {
  for (int i = 0; i < 10'000 && open_connections() > count; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return open_connections() <= count;
}

std::string HttpServer::error_of(const http::ServerOptions& options) {
  boost::asio::io_context io;
  const http::Router router;
  const auto server = http::Server::create(io, router, options);
  return server ? "" : server.error().message;
}

}  // namespace llorch::testing
