#include "api/generation.hpp"

namespace llorch::api {
namespace {

// What may wait for a slow reader, per request: some 10,000 tokens.
constexpr std::size_t kMaxWaitingBytes = 1024 * 1024;

}  // namespace

Generation::Generation(Worker& worker, std::shared_ptr<const Backend> backend,
                       const boost::asio::any_io_executor& executor)
    : worker_(worker),
      backend_(std::move(backend)),
      channel_(std::make_shared<EventChannel>(executor, kMaxWaitingBytes)),
      ids_(std::make_shared<std::vector<std::string>>()) {}

Generation::~Generation() {
  if (!done()) cancel();
}

Result<void> Generation::submit(std::vector<engine::Request> requests) {
  std::vector<std::pair<engine::Request, std::shared_ptr<engine::Listener>>> pairs;
  const std::size_t count = requests.size();
  pairs.reserve(count);
  for (engine::Request& request : requests) {
    ids_->push_back(request.id);
    const auto choice = static_cast<std::uint32_t>(pairs.size());
    pairs.emplace_back(std::move(request), channel_->listener(choice));
  }
  // Weak: the engine keeps the channel alive through its listeners, so the channel must not keep the engine alive.
  channel_->on_overflow = [backend = std::weak_ptr(backend_), ids = ids_] {
    if (const auto live = backend.lock()) {
      for (const std::string& id : *ids) {
        live->engine->cancel(id);
      }
    }
  };
  Result<void> queued = backend_->engine->submit(std::move(pairs));
  if (queued.has_error()) {
    const ErrorCode code = queued.error().code;
    worker_.metrics().rejected(code == ErrorCode::kResourceExhausted ? Rejection::kQueueFull
                               : code == ErrorCode::kUnavailable     ? Rejection::kUnavailable
                                                                     : Rejection::kInvalid);
    return queued;
  }
  unfinished_ = count;
  last_token_.resize(count);
  return queued;
}

boost::asio::awaitable<std::vector<ChannelEvent>> Generation::next(MonotonicTime until) {
  std::vector<ChannelEvent> events = co_await channel_->take(until);
  for (const ChannelEvent& event : events)
    account(event);
  co_return events;
}

void Generation::account(const ChannelEvent& event) {
  if (std::holds_alternative<engine::TokenEvent>(event.body)) {
    std::optional<MonotonicTime>& last = last_token_[event.choice];
    if (last) worker_.metrics().token_gap(std::chrono::duration<double>(event.at - *last).count());
    last = event.at;
  } else if (const auto* end = std::get_if<engine::FinishEvent>(&event.body)) {
    --unfinished_;
    worker_.sequence_finished(*end);
  }
}

void Generation::cancel() const {
  canceller()();
}

std::function<void()> Generation::canceller() const {
  return [backend = backend_, ids = ids_] {
    for (const std::string& id : *ids)
      backend->engine->cancel(id);
  };
}

}  // namespace llorch::api
