// The compute threads of one context: fork and join around a function, nothing else.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace llorch::cpu {

/// Runs one function on n threads, the caller being thread 0. Workers spin for a few microseconds between calls and
/// then sleep. One caller at a time. With one thread there is no worker and run() is a plain call.
class ThreadPool {
 public:
  /// Throws Failure(LLORCH_OUT_OF_MEMORY) when the system gives no more threads.
  explicit ThreadPool(int n_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  [[nodiscard]] int size() const { return n_threads_; }

  /// Calls f(thread) for thread = 0..size()-1 and returns when all have returned. f must not throw.
  template <class F>
  void run(const F& f) {
    if (n_threads_ == 1) {
      f(0);
      return;
    }
    dispatch([](const void* context, int thread) { (*static_cast<const F*>(context))(thread); }, &f);
  }

  /// Calls f(begin, end) on each thread with its share of [0, n): contiguous, in multiples of `grain`.
  template <class F>
  void split(std::int64_t n, std::int64_t grain, const F& f) {
    const std::int64_t units = (n + grain - 1) / grain;
    if (n_threads_ == 1 || units <= 1) {
      if (n > 0) f(std::int64_t{0}, n, 0);
      return;
    }
    run([&](int thread) {
      const std::int64_t begin = units * thread / n_threads_ * grain;
      const std::int64_t end = units * (thread + 1) / n_threads_ * grain;
      if (begin < n && begin < end) f(begin, end < n ? end : n, thread);
    });
  }

 private:
  using Task = void (*)(const void* context, int thread);
  void dispatch(Task task, const void* context);
  void work(int thread);
  void stop();

  int n_threads_;
  Task task_ = nullptr;
  const void* context_ = nullptr;
  alignas(64) std::atomic<std::uint32_t> epoch_{0};    // counts run() calls; workers wait for it to move
  alignas(64) std::atomic<std::uint32_t> pending_{0};  // workers that have not finished the current call
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> workers_;
};

}  // namespace llorch::cpu
