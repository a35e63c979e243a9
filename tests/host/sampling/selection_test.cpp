#include "sampling/selection.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <vector>

#include "host/sampling/make_logits.hpp"

using namespace llorch::sampling;

namespace {

std::vector<std::int32_t> by_sorting(const std::vector<float>& logits, std::size_t k) {
  std::vector<std::int32_t> ids(logits.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    ids[i] = static_cast<std::int32_t>(i);
  }
  std::stable_sort(ids.begin(), ids.end(), [&](auto a, auto b) { return logits[a] > logits[b]; });
  ids.resize(std::min(k, ids.size()));
  return ids;
}

std::vector<std::int32_t> by_selecting(const std::vector<float>& logits, std::size_t k) {
  std::vector<Candidate> best;
  select_best(logits, k, best);
  std::sort(best.begin(), best.end(), ranks_before);
  std::vector<std::int32_t> ids;
  for (const Candidate& c : best) {
    BOOST_REQUIRE_EQUAL(c.logit, logits[static_cast<std::size_t>(c.token)]);
    ids.push_back(c.token);
  }
  return ids;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(sampling_selection)

BOOST_AUTO_TEST_CASE(selects_what_a_stable_sort_ranks_first) {
  for (const std::size_t n : {1U, 2U, 63U, 64U, 65U, 129U, 1000U, 5000U}) {
    const auto logits = make_logits(n, n);
    for (const std::size_t k : {1U, 2U, 5U, 63U, 64U, 65U, 500U, 4999U, 5000U, 9999U}) {
      const auto expected = by_sorting(logits, k);
      const auto found = by_selecting(logits, k);
      BOOST_TEST_CONTEXT("n " << n << ", k " << k) {
        BOOST_TEST(found == expected, boost::test_tools::per_element());
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(keeps_the_lowest_ids_among_equals) {
  const std::vector<float> logits(1000, 0.5F);
  for (const std::size_t k : {1U, 7U, 100U, 999U}) {
    BOOST_TEST(by_selecting(logits, k) == by_sorting(logits, k), boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(handles_rising_and_falling_logits) {
  std::vector<float> logits(3000);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    logits[i] = static_cast<float>(i);
  }
  BOOST_TEST(by_selecting(logits, 100) == by_sorting(logits, 100), boost::test_tools::per_element());
  std::reverse(logits.begin(), logits.end());
  BOOST_TEST(by_selecting(logits, 100) == by_sorting(logits, 100), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
