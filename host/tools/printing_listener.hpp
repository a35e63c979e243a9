// The listener of `complete`: text to a stream as it comes, and everything else for the end.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.hpp"

namespace llorch::tools {

class PrintingListener : public engine::Listener {
 public:
  /// `print`: write text to standard output as it is generated.
  explicit PrintingListener(bool print) : print_(print) {}

  void on_token(engine::TokenEvent event) override;
  void on_finished(engine::FinishEvent event) override;

  /// True when the request has ended; waits for it at most `patience`.
  [[nodiscard]] bool wait(std::chrono::milliseconds patience);
  /// Standard output does not take any more (a closed pipe): nobody reads, so nothing need be computed.
  [[nodiscard]] bool output_closed() const;
  /// errno of the write that failed; 0 when none did.
  [[nodiscard]] int output_error() const;

  // After the end only:
  [[nodiscard]] const engine::FinishEvent& end() const { return *end_; }
  [[nodiscard]] const std::vector<std::int32_t>& ids() const { return ids_; }
  [[nodiscard]] const std::vector<float>& logprobs() const { return logprobs_; }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  void add(const std::string& text);  // with the mutex held

  const bool print_;
  mutable std::mutex mutex_;
  std::condition_variable ended_;
  bool output_closed_ = false;
  int output_error_ = 0;
  std::string text_;
  std::vector<std::int32_t> ids_;
  std::vector<float> logprobs_;
  std::optional<engine::FinishEvent> end_;
};

}  // namespace llorch::tools
