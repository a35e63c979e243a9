// A check in a child process: whatever it does, the parent gets a verdict.
#include "conformance/child.hpp"

#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <string>

#include "conformance/rule.hpp"

using llorch::conformance::Broken;
using llorch::conformance::NotApplicable;
using llorch::conformance::Outcome;
using llorch::conformance::run_in_child;
using llorch::conformance::Verdict;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kLong{60000};

void check(const Outcome& outcome, Verdict verdict, const std::string& detail) {
  BOOST_TEST((outcome.verdict == verdict));
  BOOST_TEST(outcome.detail == detail);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(child)

BOOST_AUTO_TEST_CASE(what_a_check_returns_or_throws_is_its_outcome) {
  check(run_in_child([] { return std::string("7 MiB"); }, kLong), Verdict::kPassed, "7 MiB");
  check(run_in_child([]() -> std::string { throw Broken("found 3"); }, kLong), Verdict::kFailed, "found 3");
  check(run_in_child([]() -> std::string { throw NotApplicable("no taps"); }, kLong), Verdict::kSkipped, "no taps");
  check(run_in_child([]() -> std::string { throw std::runtime_error("no file"); }, kLong), Verdict::kFailed,
        "the check itself failed: no file");
  check(run_in_child([]() -> std::string { throw 7; }, kLong), Verdict::kFailed,
        "the check itself failed with an unknown exception");
}

BOOST_AUTO_TEST_CASE(a_crash_is_a_failure_with_the_signal_and_the_last_words) {
  const Outcome outcome = run_in_child(
      []() -> std::string {
        std::fputs("first line\nlast words\n", stderr);
        ::raise(SIGKILL);
        return {};
      },
      kLong);
  BOOST_TEST((outcome.verdict == Verdict::kFailed));
  BOOST_TEST(outcome.detail == "the plugin crashed: signal 9, Killed (\"last words\")");
}

BOOST_AUTO_TEST_CASE(an_exit_is_a_failure_with_its_code) {
  const Outcome outcome = run_in_child([]() -> std::string { ::_exit(3); }, kLong);
  check(outcome, Verdict::kFailed, "the plugin ended the process with exit code 3");
}

BOOST_AUTO_TEST_CASE(a_hang_ends_at_the_limit) {
  const Outcome outcome = run_in_child(
      []() -> std::string {
        while (true)
          ::pause();
      },
      milliseconds(200));
  check(outcome, Verdict::kFailed, "no answer within 200 ms: it hangs");
}

BOOST_AUTO_TEST_CASE(what_a_child_leaves_running_does_not_keep_the_parent_waiting) {
  const Outcome outcome = run_in_child(
      [] {
        if (::fork() == 0) {
          while (true)
            ::pause();
        }
        return std::string("done");
      },
      kLong);
  check(outcome, Verdict::kPassed, "done");
}

BOOST_AUTO_TEST_CASE(much_output_of_a_plugin_does_not_block_it) {
  const Outcome outcome = run_in_child(
      [] {
        const std::string line(1000, 'x');
        for (int i = 0; i < 1000; ++i) {
          std::fputs(line.c_str(), stderr);
          std::puts(line.c_str());
        }
        return std::string();
      },
      kLong);
  check(outcome, Verdict::kPassed, "");
}

BOOST_AUTO_TEST_SUITE_END()
