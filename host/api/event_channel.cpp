#include "api/event_channel.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace llorch::api {

class EventChannel::ChannelListener : public engine::Listener {
 public:
  ChannelListener(std::shared_ptr<EventChannel> channel, std::uint32_t choice)
      : channel_(std::move(channel)), choice_(choice) {}

  void on_started() override { push(Started{}, 0); }
  void on_prompt_scored(std::vector<sampling::Logprobs> scores) override { push(std::move(scores), 0); }
  void on_token(engine::TokenEvent event) override {
    const std::size_t alternatives = event.logprobs ? event.logprobs->top.size() : 0;
    const std::size_t bytes = sizeof(ChannelEvent) + event.text.size() + alternatives * sizeof(sampling::TokenLogprob);
    push(std::move(event), bytes);
  }
  void on_finished(engine::FinishEvent event) override { push(std::move(event), 0); }

 private:
  template <class Body>
  void push(Body body, std::size_t bytes) {
    channel_->push({choice_, std::move(body), std::chrono::steady_clock::now()}, bytes);
  }

  std::shared_ptr<EventChannel> channel_;
  std::uint32_t choice_;
};

std::shared_ptr<engine::Listener> EventChannel::listener(std::uint32_t choice) {
  return std::make_shared<ChannelListener>(shared_from_this(), choice);
}

void EventChannel::push(ChannelEvent event, std::size_t bytes) {
  bool wake = false;
  bool overflow = false;
  {
    const std::lock_guard lock(mutex_);
    if (bytes > 0 && bytes_ + bytes > max_bytes_) {
      overflow = !std::exchange(overflowed_, true);
    }
    if (!overflowed_ || bytes == 0) {
      events_.push_back(std::move(event));
      bytes_ += bytes;
      wake = std::exchange(reader_waits_, false);
    }
  }
  if (!wake && !overflow) return;
  boost::asio::post(timer_.get_executor(), [self = shared_from_this(), overflow] {
    self->timer_.cancel();
    if (overflow && self->on_overflow) self->on_overflow();
  });
}

boost::asio::awaitable<std::vector<ChannelEvent>> EventChannel::take(MonotonicTime until) {
  const auto take_all = [this] {
    const std::lock_guard lock(mutex_);
    bytes_ = 0;
    // Seen together with the events that came before and after the gap, never later than the finish event.
    overflow_seen_ = overflowed_;
    // Only an empty queue makes the reader wait: a push between here and the wait posts its wake-up behind it.
    reader_waits_ = events_.empty();
    return std::exchange(events_, {});
  };
  std::vector<ChannelEvent> events = take_all();
  if (events.empty()) {
    timer_.expires_at(until);
    co_await timer_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    events = take_all();
  }
  co_return events;
}

}  // namespace llorch::api
