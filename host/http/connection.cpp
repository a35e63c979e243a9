#include "http/connection.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#include "http/await.hpp"

namespace llorch::http {
namespace asio = boost::asio;
using boost::system::error_code;

namespace {

// What a peer that does not read can make the kernel hold for it (the kernel doubles the figure).
constexpr int kSendBufferBytes = 64 * 1024;

void set_options(asio::ip::tcp::socket& socket, std::chrono::milliseconds write_deadline) {
  error_code ignored;  // an option refused by the kernel costs speed or detection, not correctness
  socket.non_blocking(true, ignored);
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::send_buffer_size(kSendBufferBytes), ignored);
  // A peer whose machine vanished acknowledges nothing: the kernel gives up after the same deadline as a write does.
  const auto milliseconds = static_cast<unsigned>(write_deadline.count());
  ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, sizeof milliseconds);
  // The same for one that vanished while its request waits and nothing is sent.
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  constexpr int kIdleSeconds = 30;
  ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_KEEPIDLE, &kIdleSeconds, sizeof kIdleSeconds);
  constexpr int kIntervalSeconds = 10;
  ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_KEEPINTVL, &kIntervalSeconds, sizeof kIntervalSeconds);
}

}  // namespace

Connection::Connection(asio::ip::tcp::socket socket, std::chrono::milliseconds write_deadline)
    : socket_(std::move(socket)), timer_(socket_.get_executor()), write_deadline_(write_deadline) {
  set_options(socket_, write_deadline);
}

void Connection::arm(Clock::time_point deadline) {
  timed_out_ = false;
  timer_.expires_at(deadline);
  timer_.async_wait([weak = weak_from_this(), round = ++timer_round_](error_code error) {
    const auto self = weak.lock();
    if (error || !self || self->timer_round_ != round) return;
    self->timed_out_ = true;
    error_code ignored;
    self->socket_.cancel(ignored);
  });
}

bool Connection::disarm() {
  ++timer_round_;
  timer_.cancel();
  return timed_out_;
}

asio::awaitable<ReadResult> Connection::read_some(Clock::time_point deadline) {
  if (broken_) co_return ReadResult{ReadStatus::kClosed, {}};
  if (Clock::now() >= deadline) co_return ReadResult{ReadStatus::kTimeout, {}};
  input_.resize(kReadSize);
  arm(deadline);
  const auto [error, count] = co_await socket_.async_read_some(asio::buffer(input_), kAwait);
  const bool timed_out = disarm();
  if (!error) co_return ReadResult{ReadStatus::kData, std::string_view(input_).substr(0, count)};
  if (timed_out) co_return ReadResult{ReadStatus::kTimeout, {}};
  co_return ReadResult{ReadStatus::kClosed, {}};
}

asio::awaitable<bool> Connection::send(std::string bytes) {
  if (broken_) co_return false;
  if (!unsent_.empty()) bytes.insert(0, std::exchange(unsent_, {}));
  // Nearly always the kernel takes everything at once: no timer, no suspension.
  error_code error;
  std::size_t sent = socket_.write_some(asio::buffer(bytes), error);
  if (error == asio::error::would_block || error == asio::error::try_again) {
    error.clear();
    sent = 0;
  }
  if (!error && sent < bytes.size()) {
    sending_ = true;
    arm(Clock::now() + write_deadline_);
    const auto [write_error, count] = co_await asio::async_write(socket_, asio::buffer(bytes) + sent, kAwait);
    disarm();
    sending_ = false;
    error = write_error;
  }
  if (error) broken_ = true;
  // A peer that reads as fast as a handler writes would keep this thread for itself.
  constexpr std::uint64_t kTurn = 64;
  if (++sends_ % kTurn == 0) co_await asio::post(socket_.get_executor(), asio::use_awaitable);
  co_return !broken_;
}

void Connection::send_if_possible(std::string_view bytes) {
  if (broken_ || sending_ || !unsent_.empty()) return;
  error_code error;
  const std::size_t sent = socket_.write_some(asio::buffer(bytes), error);
  if (error == asio::error::would_block || error == asio::error::try_again) return;
  if (error) {
    broken_ = true;
  } else {
    unsent_ = bytes.substr(sent);
  }
}

asio::awaitable<void> Connection::close_gently() {
  error_code error;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, error);
  constexpr std::size_t kMostDropped = 16 * 1024 * 1024;
  const auto deadline = Clock::now() + std::chrono::seconds(2);
  for (std::size_t dropped = 0; !error && dropped < kMostDropped;) {
    const ReadResult read = co_await read_some(deadline);
    if (read.status != ReadStatus::kData) break;
    dropped += read.bytes.size();
  }
  close();
}

void Connection::close() {
  broken_ = true;
  error_code ignored;
  socket_.close(ignored);
}

}  // namespace llorch::http
