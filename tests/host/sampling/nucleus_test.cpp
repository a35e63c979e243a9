#include "sampling/nucleus.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "host/sampling/make_logits.hpp"

using namespace llorch::sampling;

namespace {

std::vector<double> weights_of(const std::vector<float>& logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  std::vector<double> weights;
  weights.reserve(logits.size());
  for (const float x : logits)
    weights.push_back(std::exp(x - largest));
  return weights;
}

// The definition, by sorting everything: how many elements the nucleus has.
std::size_t size_by_sorting(const std::vector<float>& logits, const std::vector<double>& weights, double target) {
  std::vector<std::size_t> order(logits.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return logits[a] > logits[b]; });
  double sum = 0;
  for (std::size_t n = 0; n < order.size(); ++n) {
    sum += weights[order[n]];
    if (sum >= target) return n + 1;
  }
  return order.size();
}

std::size_t held(const std::vector<float>& logits, const NucleusEnd& end) {
  std::size_t n = 0;
  for (std::size_t i = 0; i < logits.size(); ++i)
    n += end.holds(logits[i], i) ? 1 : 0;
  return n;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(sampling_nucleus)

BOOST_AUTO_TEST_CASE(holds_as_many_as_the_ranking_needs_for_the_target) {
  Nucleus nucleus;
  for (const std::size_t n : {1U, 2U, 3U, 50U, 1000U, 20000U}) {
    for (const float scale : {0.01F, 1.0F, 5.0F}) {
      std::vector<float> logits = make_logits(n, n + 7);
      for (float& x : logits)
        x *= scale;
      const std::vector<double> weights = weights_of(logits);
      const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
      for (const double p : {0.0, 0.1, 0.5, 0.9, 0.97}) {
        const std::size_t expected = size_by_sorting(logits, weights, p * total);
        const std::size_t found = held(logits, nucleus.end(logits, weights, p * total));
        BOOST_TEST(found == expected,
                   "n " << n << ", scale " << scale << ", p " << p << ": expected " << expected << ", found " << found);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(among_equals_the_lowest_indices_come_first) {
  const std::vector<float> logits(100, -2.0F);
  const std::vector<double> weights(100, 1.0);
  Nucleus nucleus;
  const NucleusEnd end = nucleus.end(logits, weights, 30.0);
  BOOST_TEST(end.index == 29U);
  BOOST_TEST(held(logits, end) == 30U);
}

BOOST_AUTO_TEST_CASE(a_negative_zero_ranks_as_zero) {
  const std::vector<float> logits{-0.0F, 0.0F, -0.0F};
  const std::vector<double> weights(3, 1.0);
  Nucleus nucleus;
  BOOST_TEST(nucleus.end(logits, weights, 2.0).index == 1U);
}

BOOST_AUTO_TEST_CASE(a_target_that_rounding_puts_out_of_reach_holds_everything) {
  const std::vector<float> logits{3.0F, 1.0F, -std::numeric_limits<float>::infinity(), 2.0F};
  const std::vector<double> weights{1.0, 0.1, 0.0, 0.3};
  Nucleus nucleus;
  BOOST_TEST(held(logits, nucleus.end(logits, weights, 1.5)) == 4U);
}

BOOST_AUTO_TEST_SUITE_END()
