#include "http/server.hpp"

#include <spdlog/spdlog.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <utility>

#include "http/await.hpp"
#include "http/response_text.hpp"
#include "http/session.hpp"

namespace llorch::http {
namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::chrono::milliseconds kAcceptBackOff{50};

// Accepts until closed. Its coroutine keeps it alive.
class Listener : public std::enable_shared_from_this<Listener> {
 public:
  Listener(tcp::acceptor acceptor, std::shared_ptr<Hub> hub)
      : acceptor_(std::move(acceptor)), back_off_(acceptor_.get_executor()), hub_(std::move(hub)) {}

  void start() { asio::co_spawn(acceptor_.get_executor(), accept_loop(shared_from_this()), asio::detached); }
  void close() {
    error_code ignored;
    acceptor_.close(ignored);
    back_off_.cancel();
  }

 private:
  static asio::awaitable<void> accept_loop(std::shared_ptr<Listener> self) {
    bool complained = false;
    for (;;) {
      tcp::socket socket(self->acceptor_.get_executor());
      const auto [error] = co_await self->acceptor_.async_accept(socket, kAwait);
      if (!self->acceptor_.is_open()) co_return;
      if (!error) {
        complained = false;
        self->admit(std::move(socket));
        continue;
      }
      // Out of descriptors or memory, or the client left the queue: none of it is a reason to stop accepting.
      if (error == asio::error::connection_aborted) continue;
      if (!std::exchange(complained, true)) {
        spdlog::warn("http: cannot accept a connection: {}; trying again every {} ms", error.message(),
                     kAcceptBackOff.count());
      }
      self->hub_->close_one_idle();
      self->back_off_.expires_after(kAcceptBackOff);
      co_await self->back_off_.async_wait(kAwait);
      if (!self->acceptor_.is_open()) co_return;
    }
  }

  void admit(tcp::socket socket) {
    if (hub_->sessions.size() >= hub_->options.max_connections && !hub_->close_one_idle()) {
      return turn_away(std::move(socket));
    }
    const auto session = std::make_shared<Session>(std::move(socket), hub_);
    asio::co_spawn(acceptor_.get_executor(), session->run(), asio::detached);
  }

  // All connections are at work: a short answer, if the kernel takes it at once, and the end.
  void turn_away(tcp::socket socket) {
    Response response = hub_->error(503, "too many connections");
    response.headers.emplace_back("Retry-After", "1");
    ResponseHead head;
    head.status = response.status;
    head.content_type = response.content_type;
    head.content_length = response.body.size();
    head.keep_alive = false;
    head.headers = &response.headers;
    error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(response_head(head) + response.body), ignored);
    socket.shutdown(tcp::socket::shutdown_send, ignored);
  }

  tcp::acceptor acceptor_;
  asio::steady_timer back_off_;
  std::shared_ptr<Hub> hub_;
};

class TcpServer final : public Server {
 public:
  TcpServer(tcp::acceptor acceptor, std::uint16_t port, const Router& router, const ServerOptions& options)
      : port_(port),
        hub_(std::make_shared<Hub>(router, options)),
        listener_(std::make_shared<Listener>(std::move(acceptor), hub_)) {}
  ~TcpServer() override { TcpServer::stop(); }
  TcpServer(const TcpServer&) = delete;
  TcpServer& operator=(const TcpServer&) = delete;

  [[nodiscard]] std::uint16_t port() const override { return port_; }
  void start() override { listener_->start(); }
  void drain() override {
    listener_->close();
    hub_->draining = true;
    hub_->close_idle_when_drained();
  }
  [[nodiscard]] std::size_t open_connections() const override { return hub_->sessions.size(); }
  void stop() override {
    listener_->close();
    for (Session* session : hub_->sessions)
      session->close();
  }

 private:
  std::uint16_t port_;
  std::shared_ptr<Hub> hub_;
  std::shared_ptr<Listener> listener_;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::create(asio::io_context& io, const Router& router,
                                               const ServerOptions& options) {
  error_code error;
  const auto address = asio::ip::make_address(options.address, error);
  if (error) {
    return make_error(ErrorCode::kInvalidArgument, "host: expected an IP address, found '" + options.address + "'");
  }
  const tcp::endpoint endpoint(address, options.port);
  tcp::acceptor acceptor(io);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return make_error(ErrorCode::kIo, "cannot listen on " + options.address + " port " + std::to_string(options.port) +
                                          ": " + error.message());
  }
  const std::uint16_t port = acceptor.local_endpoint(error).port();
  return std::unique_ptr<Server>(std::make_unique<TcpServer>(std::move(acceptor), port, router, options));
}

}  // namespace llorch::http
