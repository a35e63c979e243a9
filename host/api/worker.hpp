// What the handlers share: the worker's identity and state, the loaded model, metrics. I/O thread only.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <type_traits>
#include <utility>

#include "api/worker_metrics.hpp"
#include "chat/chat_template.hpp"
#include "engine/engine.hpp"
#include "tokenizer/tokenizer.hpp"

namespace llorch::api {

enum class Status : std::uint8_t { kLoading, kReady, kDraining, kUnhealthy };

/// "loading", "healthy", "draining", "unhealthy".
[[nodiscard]] std::string_view to_string(Status status) noexcept;

struct Identity {
  std::string worker_id, model_name, version;
};

/// A model that can serve. Immutable.
struct Backend {
  std::shared_ptr<engine::Engine> engine;
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer;
  std::string plugin;                                ///< id of the plugin
  std::uint32_t capacity = 1;                        ///< sequences that can run and wait together
  std::uint32_t queue_limit = 0;                     ///< of these, those that wait
  std::shared_ptr<const chat::ChatTemplate> chat{};  ///< null: the model cannot chat
  std::string chat_problem{};                        ///< why not
  std::string device{}, device_name{};               ///< what it computes on: "cuda:0", and what people call it
};

class Worker {
 public:
  explicit Worker(Identity identity);

  [[nodiscard]] const Identity& identity() const { return identity_; }
  [[nodiscard]] Status status() const;
  void set_ready(Backend backend);
  void set_draining() { draining_ = true; }
  /// Ends what runs, so that nothing of this worker lives on other threads any more. Before the I/O context is
  /// destroyed.
  void stop();
  /// Null until the model is loaded.
  [[nodiscard]] const std::shared_ptr<const Backend>& backend() const { return backend_; }
  [[nodiscard]] const plugin::MemoryUse& memory() const { return memory_; }
  [[nodiscard]] double uptime_seconds() const;
  [[nodiscard]] std::chrono::system_clock::time_point created() const { return created_; }
  [[nodiscard]] WorkerMetrics& metrics() { return metrics_; }

  /// Three sequences in a row that failed for no fault of the client make the worker unhealthy, the next that succeeds
  /// heals it; an engine that has lost its device does not heal.
  void sequence_finished(const engine::FinishEvent& end);

  /// Jobs of /execute that run or wait.
  [[nodiscard]] std::set<std::string, std::less<>>& live_jobs() { return live_jobs_; }

  static constexpr std::size_t kAnySize = SIZE_MAX;  ///< for run(): never in place

  /// Runs `work` away from the I/O thread when the request is large (a megabyte takes longer to parse and tokenize than
  /// /health may wait), else in place.
  template <class Work>
  boost::asio::awaitable<std::invoke_result_t<Work>> run(std::size_t request_bytes, Work work) {
    if (request_bytes <= kLargeRequest) co_return work();
    auto elsewhere = [](Work task) -> boost::asio::awaitable<std::invoke_result_t<Work>> { co_return task(); };
    co_return co_await boost::asio::co_spawn(pool_, elsewhere(std::move(work)), boost::asio::use_awaitable);
  }

 private:
  static constexpr std::size_t kLargeRequest = 32 * 1024;  // bytes; about a millisecond of tokenization

  Identity identity_;
  std::shared_ptr<const Backend> backend_;
  plugin::MemoryUse memory_;
  bool draining_ = false;
  std::uint32_t failures_in_a_row_ = 0;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::chrono::system_clock::time_point created_ = std::chrono::system_clock::now();
  WorkerMetrics metrics_;
  std::set<std::string, std::less<>> live_jobs_;
  boost::asio::thread_pool pool_{1};
};

}  // namespace llorch::api
