#include "cpu/threads/thread_pool.hpp"

#include <boost/test/unit_test.hpp>
#include <numeric>
#include <vector>

namespace llorch::cpu {

BOOST_AUTO_TEST_SUITE(thread_pool)

BOOST_AUTO_TEST_CASE(every_thread_runs_every_call_once) {
  for (const int n : {1, 2, 3, 5}) {
    ThreadPool pool(n);
    std::vector<int> calls(static_cast<std::size_t>(n), 0);
    constexpr int kCalls = 500;
    for (int i = 0; i < kCalls; ++i)
      pool.run([&](int thread) { ++calls[static_cast<std::size_t>(thread)]; });
    BOOST_TEST(calls == std::vector<int>(static_cast<std::size_t>(n), kCalls), boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(split_covers_every_element_once_in_pieces_of_the_grain) {
  for (const int threads : {1, 2, 3}) {
    ThreadPool pool(threads);
    for (const std::int64_t n : {0, 1, 5, 16, 17, 100}) {
      for (const std::int64_t grain : {1, 4, 16}) {
        std::vector<int> seen(static_cast<std::size_t>(n), 0);
        std::atomic<bool> aligned{true};
        pool.split(n, grain, [&](std::int64_t begin, std::int64_t end, int) {
          if (begin % grain != 0 || (end % grain != 0 && end != n)) aligned = false;
          for (std::int64_t i = begin; i < end; ++i)
            ++seen[static_cast<std::size_t>(i)];
        });
        BOOST_TEST(aligned.load());
        BOOST_TEST(std::accumulate(seen.begin(), seen.end(), 0) == n);
        for (const int count : seen)
          BOOST_TEST(count == 1);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(what_workers_wrote_is_seen_after_the_call) {
  ThreadPool pool(2);
  std::vector<std::int64_t> values(1000, 0);
  for (std::int64_t round = 1; round <= 50; ++round) {
    pool.split(1000, 1, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t i = begin; i < end; ++i)
        values[static_cast<std::size_t>(i)] += i;
    });
    BOOST_TEST(std::accumulate(values.begin(), values.end(), std::int64_t{0}) == round * 499500);
  }
}

BOOST_AUTO_TEST_CASE(a_pool_that_never_ran_ends) {
  ThreadPool pool(4);
  BOOST_TEST(pool.size() == 4);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace llorch::cpu
