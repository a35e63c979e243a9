// From the engine's thread to a coroutine on the I/O thread: the events of one HTTP request, bounded.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <variant>
#include <vector>

#include "engine/engine.hpp"

namespace llorch::api {

using MonotonicTime = std::chrono::steady_clock::time_point;

struct Started {};
using PromptScores = std::vector<sampling::Logprobs>;

/// One callback of one listener, with the time at which the engine made it.
struct ChannelEvent {
  std::uint32_t choice = 0;  ///< which of the request's sequences
  std::variant<Started, PromptScores, engine::TokenEvent, engine::FinishEvent> body;
  MonotonicTime at;
};

/// Many listeners push, one coroutine takes. When the reader is so slow that more than `max_bytes` of tokens wait,
/// later tokens are dropped and `on_overflow` is called once, on the I/O thread; finish events always get through.
class EventChannel : public std::enable_shared_from_this<EventChannel> {
 public:
  EventChannel(const boost::asio::any_io_executor& executor, std::size_t max_bytes)
      : timer_(executor), max_bytes_(max_bytes) {}

  /// A listener whose events carry `choice`; it keeps the channel alive.
  [[nodiscard]] std::shared_ptr<engine::Listener> listener(std::uint32_t choice);

  /// All events that wait, as soon as there is one; none at `until`. [io-thread]
  boost::asio::awaitable<std::vector<ChannelEvent>> take(MonotonicTime until);

  std::function<void()> on_overflow;  ///< [io-thread]; set before the first event
  /// Whether what take() gave so far lacks tokens. [io-thread]
  [[nodiscard]] bool overflowed() const { return overflow_seen_; }

 private:
  class ChannelListener;
  void push(ChannelEvent event, std::size_t bytes);  // [any-thread]

  boost::asio::steady_timer timer_;  // I/O thread only; cancelled to wake the reader
  const std::size_t max_bytes_;
  bool overflow_seen_ = false;  // I/O thread only

  std::mutex mutex_;  // guards what follows
  std::vector<ChannelEvent> events_;
  std::size_t bytes_ = 0;
  bool reader_waits_ = false;
  bool overflowed_ = false;
};

}  // namespace llorch::api
