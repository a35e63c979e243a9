#include "api/worker.hpp"

#include <future>

namespace llorch::api {

std::string_view to_string(Status status) noexcept {
  switch (status) {
    case Status::kLoading:
      return "loading";
    case Status::kReady:
      return "healthy";
    case Status::kDraining:
      return "draining";
    case Status::kUnhealthy:
      return "unhealthy";
  }
  return "unhealthy";
}

Worker::Worker(Identity identity) : identity_(std::move(identity)), metrics_(identity_.model_name, identity_.version) {}

Status Worker::status() const {
  constexpr std::uint32_t kUnhealthyAfter = 3;
  if (draining_) return Status::kDraining;
  if (!backend_) return Status::kLoading;
  if (!backend_->engine->healthy()) return Status::kUnhealthy;
  return failures_in_a_row_ >= kUnhealthyAfter ? Status::kUnhealthy : Status::kReady;
}

void Worker::set_ready(Backend backend) {
  memory_ = backend.engine->memory();
  metrics_.memory(memory_);
  backend_ = std::make_shared<const Backend>(std::move(backend));
}

void Worker::stop() {
  pool_.join();
  if (!backend_) return;
  backend_->engine->cancel_all();
  std::promise<void> idle;
  backend_->engine->drain([&idle] { idle.set_value(); });
  idle.get_future().wait();
}

double Worker::uptime_seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
}

void Worker::sequence_finished(const engine::FinishEvent& end) {
  metrics_.finished(end);
  if (end.reason == engine::StopReason::kCancelled) return;
  const bool our_fault = end.error && end.error->code != ErrorCode::kInvalidArgument &&
                         end.error->code != ErrorCode::kResourceExhausted && end.error->code != ErrorCode::kCancelled;
  failures_in_a_row_ = our_fault ? failures_in_a_row_ + 1 : 0;
}

}  // namespace llorch::api
