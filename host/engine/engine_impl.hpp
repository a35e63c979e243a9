// The engine's thread and what it shares with the others.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "engine/batch.hpp"
#include "engine/engine.hpp"
#include "engine/sequence.hpp"
#include "engine/slots.hpp"

namespace llorch::engine {

/// Everything that a request must satisfy before it may queue; the message names both numbers where a limit is passed.
[[nodiscard]] Result<void> validate(const Request& request, std::uint32_t context_length, std::uint32_t vocab_size);

class EngineImpl final : public Engine {
 public:
  struct Setup {
    std::shared_ptr<plugin::Model> model;
    std::shared_ptr<const tokenizer::Tokenizer> tokenizer;
    std::unique_ptr<plugin::Context> context;
    plugin::MemoryUse memory;
    std::uint32_t context_length = 0, slots = 1, queue_limit = 0, kv_capacity = 0;
    BatchLimits limits;
    bool reuse_prefix = false;
  };
  explicit EngineImpl(Setup setup);
  ~EngineImpl() override;
  EngineImpl(const EngineImpl&) = delete;
  EngineImpl& operator=(const EngineImpl&) = delete;

  Result<void> submit(std::vector<std::pair<Request, std::shared_ptr<Listener>>> requests) override;
  bool cancel(const std::string& id) override;
  [[nodiscard]] Stats stats() const override;
  [[nodiscard]] std::uint32_t context_length() const override { return setup_.context_length; }
  [[nodiscard]] plugin::MemoryUse memory() const override { return setup_.memory; }
  void drain(std::function<void()> on_idle) override;
  void cancel_all() override;
  [[nodiscard]] bool healthy() const override { return healthy_; }

 private:
  using SequencePtr = std::shared_ptr<Sequence>;

  // ---- engine's thread only ----
  void run();
  /// Waits for work, takes new requests out of the queue. False when the thread should end.
  bool next_work(std::vector<SequencePtr>& admitted, std::vector<SequencePtr>& dropped,
                 std::vector<std::function<void()>>& idle);
  void start(const SequencePtr& sequence);
  void step();
  void forward(std::span<const SequencePtr> sequences);
  /// False if a sequence of the batch has been cancelled meanwhile; otherwise cancel() reaches the coming forward().
  bool begin_forward();
  void end_forward();
  void deliver(const plugin::Output& output);
  void forward_failed(const Error& error);
  /// Brings the KV cache back to what the sequences of the batch believe after a forward() that failed half-way.
  void repair();
  void retry_one_by_one();
  void lose_health(const std::string& why);
  /// Frees what finished sequences held and tells their listeners.
  void reap();
  void tell_finished(const SequencePtr& sequence);
  void fail_active(const Error& error);

  Setup setup_;
  Slots slots_;
  Batch batch_;
  std::size_t turn_ = 0;                           ///< whose, when the plugin computes one sequence a call
  bool device_failed_ = false, computed_ = false;  ///< in this step
  std::uint32_t failed_steps_ = 0;                 ///< in a row, with device errors and nothing computed
  std::uint32_t spurious_cancellations_ = 0;
  std::vector<SequencePtr> active_;  ///< in order of admission
  std::vector<SequencePtr> ready_;   ///< scratch of step()

  // ---- shared ----
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<SequencePtr> waiting_;                    ///< guarded by mutex_
  std::unordered_map<std::string, SequencePtr> live_;  ///< queued and running, by id; guarded by mutex_
  std::uint32_t running_ = 0;                          ///< guarded by mutex_
  bool draining_ = false, stopping_ = false;           ///< guarded by mutex_
  std::vector<std::function<void()>> on_idle_;         ///< guarded by mutex_
  std::atomic<bool> healthy_ = true;
  std::atomic<std::uint32_t> kv_tokens_ = 0;
  std::atomic<std::uint64_t> prompt_tokens_ = 0, generation_tokens_ = 0, cached_tokens_ = 0;
  std::array<std::atomic<std::uint64_t>, 6> finished_ = {};

  std::thread thread_;  ///< last: starts when all else is there
};

}  // namespace llorch::engine
