// The side of the engine that any thread may call, and the thread's outer loop. forward.cpp has the steps.
#include "engine/engine_impl.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace llorch::engine {

EngineImpl::EngineImpl(Setup setup)
    : setup_(std::move(setup)),
      slots_(*setup_.context, setup_.slots, setup_.reuse_prefix),
      thread_([this] { run(); }) {}

EngineImpl::~EngineImpl() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    draining_ = true;
  }
  cancel_all();
  wake_.notify_all();
  thread_.join();
}

// ---- any thread ----

Result<void> EngineImpl::submit(std::vector<std::pair<Request, std::shared_ptr<Listener>>> requests) {
  const std::uint32_t vocab_size = setup_.model->info().vocab_size;
  std::vector<SequencePtr> fresh;
  fresh.reserve(requests.size());
  for (auto& [request, listener] : requests) {
    if (auto ok = validate(request, setup_.context_length, vocab_size); !ok) return ok;
    fresh.push_back(std::make_shared<Sequence>(std::move(request), std::move(listener), *setup_.tokenizer, vocab_size));
  }
  const std::lock_guard lock(mutex_);
  if (!healthy_)
    return make_error(ErrorCode::kUnavailable, "the model's device has failed; the worker must be restarted");
  if (draining_) return make_error(ErrorCode::kUnavailable, "the worker is draining and takes no new requests");
  const std::size_t limit = std::size_t{setup_.slots} + setup_.queue_limit;
  if (live_.size() + fresh.size() > limit) {
    return make_error(ErrorCode::kResourceExhausted,
                      fmt::format("queue full: at most {} requests run and {} wait, found {} and {} new ones",
                                  setup_.slots, setup_.queue_limit, live_.size(), fresh.size()));
  }
  std::unordered_set<std::string_view> ids;
  for (const SequencePtr& s : fresh) {
    if (live_.contains(s->request.id) || !ids.insert(s->request.id).second) {
      return make_error(ErrorCode::kInvalidArgument,
                        fmt::format("id: expected one that no live request has, found \"{}\"", s->request.id));
    }
  }
  for (SequencePtr& s : fresh) {
    live_.emplace(s->request.id, s);
    waiting_.push_back(std::move(s));
  }
  wake_.notify_one();
  return {};
}

bool EngineImpl::cancel(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto it = live_.find(id);
  if (it == live_.end()) return false;
  it->second->cancelled = true;
  if (it->second->in_batch) setup_.context->set_cancelled(true);
  wake_.notify_one();
  return true;
}

void EngineImpl::cancel_all() {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, sequence] : live_) {
    sequence->cancelled = true;
    if (sequence->in_batch) setup_.context->set_cancelled(true);
  }
  wake_.notify_one();
}

void EngineImpl::drain(std::function<void()> on_idle) {
  const std::lock_guard lock(mutex_);
  draining_ = true;
  if (on_idle) on_idle_.push_back(std::move(on_idle));
  wake_.notify_one();
}

Stats EngineImpl::stats() const {
  Stats s;
  {
    const std::lock_guard lock(mutex_);
    s.running = running_;
    s.waiting = static_cast<std::uint32_t>(waiting_.size());
  }
  s.kv_usage = static_cast<double>(kv_tokens_) / setup_.kv_capacity;
  s.prompt_tokens_total = prompt_tokens_;
  s.generation_tokens_total = generation_tokens_;
  s.cached_tokens_total = cached_tokens_;
  std::copy(finished_.begin(), finished_.end(), s.finished_total.begin());
  return s;
}

// ---- engine's thread ----

void EngineImpl::run() {
  std::vector<SequencePtr> admitted;
  std::vector<SequencePtr> dropped;
  std::vector<std::function<void()>> idle;
  while (next_work(admitted, dropped, idle)) {
    for (const auto& call : idle) {
      call();
    }
    for (const SequencePtr& s : dropped) {
      s->finish(StopReason::kCancelled);
      tell_finished(s);
    }
    try {
      // All are active before the first one starts: whatever throws, none is lost.
      active_.insert(active_.end(), admitted.begin(), admitted.end());
      for (const SequencePtr& s : admitted) {
        start(s);
      }
      step();
    } catch (const std::exception& e) {
      // Out of memory, or a defect of ours: those who run lose their request, the worker goes on.
      fail_active(make_error(ErrorCode::kInternal, fmt::format("engine: {}", e.what())));
    }
    admitted.clear();
    dropped.clear();
    reap();
  }
}

bool EngineImpl::next_work(std::vector<SequencePtr>& admitted, std::vector<SequencePtr>& dropped,
                           std::vector<std::function<void()>>& idle) {
  admitted.clear();
  dropped.clear();
  idle.clear();
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [&] { return stopping_ || !active_.empty() || !waiting_.empty() || !on_idle_.empty(); });
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    if ((*it)->cancelled) {
      dropped.push_back(std::move(*it));
      it = waiting_.erase(it);
    } else {
      ++it;
    }
  }
  const std::size_t free = setup_.slots - active_.size();
  while (!waiting_.empty() && admitted.size() < free) {
    admitted.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  running_ = static_cast<std::uint32_t>(active_.size() + admitted.size());
  const bool nothing_left = running_ == 0 && waiting_.empty() && dropped.empty();
  if (nothing_left) idle.swap(on_idle_);
  return !(nothing_left && stopping_ && idle.empty());
}

void EngineImpl::start(const SequencePtr& sequence) {
  if (!healthy_) {
    sequence->finish(StopReason::kError, make_error(ErrorCode::kUnavailable, "the model's device has failed"));
    return;
  }
  // Scores need the logits of every prompt row, so all rows must be computed; who asks for no token needs no prefix.
  const Request& request = sequence->request;
  auto lease = slots_.acquire(request.prompt, request.max_tokens > 0 && !request.prompt_logprobs);
  if (!lease) {
    sequence->finish(StopReason::kError, lease.error());
    lose_health("KV cache: " + lease.error().message);
    return;
  }
  prompt_tokens_ += sequence->request.prompt.size();
  cached_tokens_ += lease->cached;
  sequence->start(lease->slot, lease->cached);
}

void EngineImpl::reap() {
  // Nothing here keeps a finished request, and through it its listener, alive until the next one comes.
  ready_.clear();
  batch_.clear();
  std::uint32_t held = 0;
  for (auto it = active_.begin(); it != active_.end();) {
    const SequencePtr s = *it;
    if (!s->finished() && s->cancelled) s->finish(StopReason::kCancelled);
    if (!s->finished()) {
      held += s->fed;
      ++it;
      continue;
    }
    it = active_.erase(it);
    if (s->has_slot()) {
      // After an error nothing is known about the KV cache, and what NaN touched must not be reused.
      auto freed = s->failed() ? slots_.reset(s->slot)
                               : slots_.release(s->slot, std::span(s->tokens).first(s->fed), /*keep=*/true);
      if (!freed) lose_health("KV cache: " + freed.error().message);
    }
    // The gauge must not count it any more when the listener hears of the end.
    std::uint32_t others = held;
    for (auto rest = it; rest != active_.end(); ++rest) {
      others += (*rest)->fed;
    }
    kv_tokens_ = others;
    tell_finished(s);
  }
  kv_tokens_ = held;
}

void EngineImpl::tell_finished(const SequencePtr& sequence) {
  {
    const std::lock_guard lock(mutex_);
    live_.erase(sequence->request.id);
    running_ = static_cast<std::uint32_t>(active_.size());
  }
  FinishEvent event = sequence->take_finish_event();
  ++finished_[static_cast<std::size_t>(event.reason)];
  sequence->listener->on_finished(std::move(event));
}

void EngineImpl::fail_active(const Error& error) {
  for (const SequencePtr& s : active_) {
    s->finish(StopReason::kError, error);
  }
}

void EngineImpl::lose_health(const std::string& why) {
  if (healthy_.exchange(false)) spdlog::error("engine: out of service: {}", why);
  const Error error = make_error(ErrorCode::kUnavailable, why);
  fail_active(error);
}

}  // namespace llorch::engine
