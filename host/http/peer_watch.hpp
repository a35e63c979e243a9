// Notices that a client has gone while its request is being worked on.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "http/connection.hpp"

namespace llorch::http {

/// A reset is seen at once. An end of input alone is ambiguous: the client may have closed, or it may only have said
/// that it sends no more and still wait for the answer. Only bytes sent to it tell: a closed socket answers them with a
/// reset. So `probe` bytes are sent as soon as the end of input is seen, and again ever more rarely while nothing else
/// is written. Where bytes of a next request stand before the end of input, the end is looked for every kInputTick. See
/// docs/http_transport.md. [io-thread]
class PeerWatch : public std::enable_shared_from_this<PeerWatch> {
 public:
  static constexpr std::chrono::milliseconds kInputTick{20};
  static constexpr std::chrono::milliseconds kFirstProbeTick{500};
  static constexpr std::chrono::milliseconds kLongestProbeTick{4000};

  explicit PeerWatch(std::shared_ptr<Connection> connection);

  /// `probe` is asked for the bytes to send right now (empty: none may be sent). `on_lost` is called at most once.
  void start(std::function<std::string_view()> probe, std::function<void()> on_lost);
  /// No callback after this returns.
  void stop();

 private:
  void wait_for(boost::asio::ip::tcp::socket::wait_type what);
  void look();
  void tick_after(std::chrono::milliseconds delay);
  void check();

  std::shared_ptr<Connection> connection_;
  boost::asio::steady_timer timer_;
  std::function<std::string_view()> probe_;
  std::function<void()> on_lost_;
  std::uint64_t round_ = 0;  // pending waits of an earlier round are ignored
  std::uint64_t sends_seen_ = 0;
  std::chrono::milliseconds probe_delay_{0};  // until the next probe; zero before the first
};

}  // namespace llorch::http
