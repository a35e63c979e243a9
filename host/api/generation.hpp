// The sequences of one HTTP request from submission to their ends, seen from the I/O thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>
#include <vector>

#include "api/event_channel.hpp"
#include "api/worker.hpp"

namespace llorch::api {

/// Owned by the handler's coroutine; whatever happens to it, the computation stops with it. Counts metrics on the way.
class Generation {
 public:
  Generation(Worker& worker, std::shared_ptr<const Backend> backend, const boost::asio::any_io_executor& executor);
  ~Generation();
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;

  /// Queues all or none; event i.choice is the index in `requests`. Rejections are counted.
  [[nodiscard]] Result<void> submit(std::vector<engine::Request> requests);
  /// The next events, or none at `until`. Call until done().
  boost::asio::awaitable<std::vector<ChannelEvent>> next(MonotonicTime until = MonotonicTime::max());
  /// True when every sequence has ended.
  [[nodiscard]] bool done() const { return unfinished_ == 0; }
  /// Ends what still runs; the finish events follow.
  void cancel() const;
  /// A function that cancels and may outlive this object.
  [[nodiscard]] std::function<void()> canceller() const;
  /// The client read so slowly that its events no longer fitted.
  [[nodiscard]] bool overflowed() const { return channel_->overflowed(); }

 private:
  void account(const ChannelEvent& event);

  Worker& worker_;
  std::shared_ptr<const Backend> backend_;
  std::shared_ptr<EventChannel> channel_;
  std::shared_ptr<std::vector<std::string>> ids_;
  std::vector<std::optional<MonotonicTime>> last_token_;  // by choice
  std::size_t unfinished_ = 0;
};

}  // namespace llorch::api
