// The life of one connection: requests in, answers out, strictly in order.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <list>
#include <memory>
#include <string>

#include "http/connection.hpp"
#include "http/head.hpp"
#include "http/peer_watch.hpp"
#include "http/server.hpp"

namespace llorch::http {

class Session;

/// What all sessions of a server share; outlives them. [io-thread]
struct Hub {
  Hub(const Router& shared_router, ServerOptions shared_options)
      : router(&shared_router), options(std::move(shared_options)) {}
  const Router* router;
  ServerOptions options;
  std::list<Session*> sessions;  ///< open ones, the longest unused first
  std::size_t busy = 0;          ///< sessions between the end of a head and the end of its answer
  bool draining = false;

  /// Body of an error of this room, as the api room wants it to look.
  [[nodiscard]] Response error(unsigned status, std::string_view message) const;
  /// While draining, and once nothing is busy any more: closes the connections that wait for a request. One whose next
  /// request has come in part goes on: it gets its answer, or runs into its deadline.
  void close_idle_when_drained();
  /// Closes the connection that waits the longest for its next request; false when none waits.
  bool close_one_idle();
};

/// [io-thread]; kept alive by its own coroutine run().
class Session final : public Exchange, public std::enable_shared_from_this<Session> {
 public:
  Session(boost::asio::ip::tcp::socket socket, std::shared_ptr<Hub> hub);
  ~Session() override;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  boost::asio::awaitable<void> run();
  [[nodiscard]] bool is_busy() const { return busy_ || closing_; }
  /// Waits for its next request, of which nothing has come.
  [[nodiscard]] bool is_idle() const { return !is_busy() && input_.empty() && !connection_->is_broken(); }
  void close() { connection_->close(); }

  boost::asio::any_io_executor executor() override { return connection_->socket().get_executor(); }
  boost::asio::awaitable<void> respond(Response response) override;
  boost::asio::awaitable<bool> begin_stream(Headers headers) override;
  boost::asio::awaitable<bool> write(std::string bytes) override;
  boost::asio::awaitable<void> end_stream() override;
  void on_disconnect(std::function<void()> callback) override;
  [[nodiscard]] bool disconnected() const override { return lost_ || connection_->is_broken(); }

 private:
  enum class Answer : std::uint8_t { kNone, kStreaming, kDone };
  enum class Outcome : std::uint8_t { kOk, kRefused, kGone };  // of a step of reading a request

  boost::asio::awaitable<bool> serve_one();  // false: the connection ends
  boost::asio::awaitable<Outcome> read_head();
  boost::asio::awaitable<Outcome> check_before_body();
  boost::asio::awaitable<Outcome> read_body();
  boost::asio::awaitable<Outcome> read_sized_body();
  boost::asio::awaitable<Outcome> read_chunked_body();
  boost::asio::awaitable<void> dispatch();
  boost::asio::awaitable<Outcome> refuse(Fault fault, Headers headers = {});
  boost::asio::awaitable<Outcome> read_failed(ReadStatus status);
  void begin_request(Head head);
  void end_request();
  void lost();
  void fire_disconnect();
  void log_answer() const;
  [[nodiscard]] std::string_view probe_bytes() const;

  std::shared_ptr<Hub> hub_;
  std::shared_ptr<Connection> connection_;
  std::shared_ptr<PeerWatch> watch_;
  std::list<Session*>::iterator place_;
  std::string input_;  // received and not yet used; bounded by one head or one read beyond what was needed

  // Of the request in progress.
  bool busy_ = false;
  bool closing_ = false;  // the last answer is on its way
  Connection::Clock::time_point began_, deadline_;
  Head head_;
  Request request_;
  bool keep_alive_ = true;
  Answer answer_ = Answer::kNone;
  unsigned status_ = 0;
  bool lost_ = false;
  bool handling_ = false;
  std::uint64_t request_number_ = 0;
  std::function<void()> on_disconnect_;
};

}  // namespace llorch::http
