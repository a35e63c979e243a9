// One accepted socket: reads with a deadline, bounded writes, an orderly end. Knows nothing of HTTP.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace llorch::http {

enum class ReadStatus : std::uint8_t { kData, kClosed, kTimeout };

struct ReadResult {
  ReadStatus status = ReadStatus::kClosed;
  std::string_view bytes;  ///< valid until the next read
};

/// [io-thread]. At most one read and one send at a time.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Clock = std::chrono::steady_clock;

  Connection(boost::asio::ip::tcp::socket socket, std::chrono::milliseconds write_deadline);

  /// Whatever arrives next, at most kReadSize bytes. kTimeout leaves the connection usable for a last answer.
  boost::asio::awaitable<ReadResult> read_some(Clock::time_point deadline);

  /// Sends all of `bytes`. False, for ever after: the peer is gone, or did not take them within the write deadline,
  /// which is one total per call and is not extended by partial progress. Nothing is buffered here beyond `bytes`.
  boost::asio::awaitable<bool> send(std::string bytes);

  /// Sends a few bytes if the kernel takes some of them at once; what it does not take goes out before the next send.
  /// Returns without effect while a send is in progress or the kernel's buffer is full.
  void send_if_possible(std::string_view bytes);

  /// Tells the peer that nothing more comes, then reads and drops what it still sends (at most 2 s and 16 MiB), so that
  /// the kernel does not answer unread bytes with a reset that would take our last response with it. Then closes.
  boost::asio::awaitable<void> close_gently();
  /// At once; a pending operation ends as if the peer had gone.
  void close();

  [[nodiscard]] bool is_broken() const { return broken_; }
  /// Writes completed so far, to tell an active stream from a silent one.
  [[nodiscard]] std::uint64_t sends() const { return sends_; }
  [[nodiscard]] boost::asio::ip::tcp::socket& socket() { return socket_; }

 private:
  static constexpr std::size_t kReadSize = 16 * 1024;

  void arm(Clock::time_point deadline);
  bool disarm();  // true: the deadline had passed

  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;  // of the read or the send in progress; a session never does both at once
  std::chrono::milliseconds write_deadline_;
  std::uint64_t timer_round_ = 0;
  bool timed_out_ = false;
  bool broken_ = false;
  bool sending_ = false;
  std::uint64_t sends_ = 0;
  std::string unsent_;  // rest of a send_if_possible
  std::string input_;
};

}  // namespace llorch::http
