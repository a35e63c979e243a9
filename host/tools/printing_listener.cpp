#include "tools/printing_listener.hpp"

#include <cerrno>
#include <cstdio>
#include <utility>

namespace llorch::tools {

void PrintingListener::on_token(engine::TokenEvent event) {
  const std::lock_guard lock(mutex_);
  ids_.push_back(event.token);
  if (event.logprobs) logprobs_.push_back(event.logprobs->chosen.logprob);
  add(event.text);
}

void PrintingListener::on_finished(engine::FinishEvent event) {
  const std::lock_guard lock(mutex_);
  add(event.text);
  end_ = std::move(event);
  ended_.notify_all();
}

void PrintingListener::add(const std::string& text) {
  text_ += text;
  if (!print_ || text.empty() || output_closed_) return;
  errno = 0;
  output_closed_ = std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0;
  if (!output_closed_) return;
  output_error_ = errno;
  ended_.notify_all();
}

bool PrintingListener::wait(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  ended_.wait_for(lock, patience, [&] { return end_.has_value() || output_closed_; });
  return end_.has_value();
}

int PrintingListener::output_error() const {
  const std::lock_guard lock(mutex_);
  return output_error_;
}

bool PrintingListener::output_closed() const {
  const std::lock_guard lock(mutex_);
  return output_closed_;
}

}  // namespace llorch::tools
