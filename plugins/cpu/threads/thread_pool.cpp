#include "cpu/threads/thread_pool.hpp"

#include <system_error>

#include "common/base/failure.hpp"

namespace llorch::cpu {
namespace {

// About 50 microseconds: longer than the gap between two phases of a forward pass, shorter than a scheduler's tick.
constexpr int kSpins = 2000;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/// Spins, then sleeps, until `value` differs from `old`.
void await_change(const std::atomic<std::uint32_t>& value, std::uint32_t old) {
  for (int i = 0; i < kSpins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    pause();
  }
  value.wait(old, std::memory_order_acquire);
}

}  // namespace

ThreadPool::ThreadPool(int n_threads) : n_threads_(n_threads) {
  workers_.reserve(static_cast<std::size_t>(n_threads - 1));
  try {
    for (int thread = 1; thread < n_threads; ++thread)
      workers_.emplace_back([this, thread] { work(thread); });
  } catch (const std::system_error& error) {
    const auto started = workers_.size();
    stop();
    common::fail(LLORCH_OUT_OF_MEMORY, "cannot start ", n_threads, " compute threads (", started + 1,
                 " work): ", error.what());
  }
}

ThreadPool::~ThreadPool() {
  stop();
}

void ThreadPool::stop() {
  stopping_.store(true, std::memory_order_relaxed);
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  for (std::thread& worker : workers_)
    worker.join();
  workers_.clear();
}

void ThreadPool::dispatch(Task task, const void* context) {
  task_ = task;
  context_ = context;
  pending_.store(static_cast<std::uint32_t>(n_threads_ - 1), std::memory_order_relaxed);
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  task(context, 0);
  for (std::uint32_t left; (left = pending_.load(std::memory_order_acquire)) != 0;)
    await_change(pending_, left);
}

void ThreadPool::work(int thread) {
  std::uint32_t seen = 0;
  for (;;) {
    await_change(epoch_, seen);
    seen = epoch_.load(std::memory_order_acquire);
    if (stopping_.load(std::memory_order_relaxed)) return;
    task_(context_, thread);
    if (pending_.fetch_sub(1, std::memory_order_acq_rel) == 1) pending_.notify_one();
  }
}

}  // namespace llorch::cpu
