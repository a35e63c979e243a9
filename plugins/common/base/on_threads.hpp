// The same work on several threads, for loading.
#pragma once

#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace llorch::common {

/// Runs work() on up to n_threads threads, the caller's included, and waits for all; fewer where no more are to be had.
/// After a failure stop() tells the others to end, and one failure is thrown on.
template <class Work, class Stop>
void on_threads(std::uint64_t n_threads, const Work& work, const Stop& stop) {
  std::exception_ptr error;
  std::mutex error_mutex;
  const auto guarded = [&] {
    try {
      work();
    } catch (...) {
      stop();
      const std::scoped_lock lock(error_mutex);
      error = std::current_exception();
    }
  };
  std::vector<std::thread> helpers;
  helpers.reserve(static_cast<std::size_t>(n_threads));  // nothing but the start of a thread may fail below
  try {
    for (std::uint64_t i = 1; i < n_threads; ++i)
      helpers.emplace_back(guarded);
  } catch (const std::system_error&) {
    // No more threads to be had: those there are do the work.
  }
  guarded();
  for (std::thread& helper : helpers)
    helper.join();
  if (error) std::rethrow_exception(error);
}

}  // namespace llorch::common
