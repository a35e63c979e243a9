#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "host/sampling/make_logits.hpp"
#include "sampling/sampler.hpp"

using namespace llorch;
using namespace llorch::sampling;

namespace {

double exact_logprob(const std::vector<float>& logits, std::size_t token) {
  long double sum = 0;
  for (const float x : logits) {
    sum += std::exp(static_cast<long double>(x) - logits[token]);
  }
  return static_cast<double>(-std::log(sum));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(sampling_logprobs)

BOOST_AUTO_TEST_CASE(match_a_softmax_in_extended_precision) {
  for (const std::size_t n : {1U, 2U, 255U, 256U, 257U, 50257U}) {
    const auto logits = make_logits(n, n);
    for (const std::size_t token : {std::size_t{0}, n / 2, n - 1}) {
      const auto found = compute_logprobs(logits, static_cast<std::int32_t>(token), 0);
      BOOST_TEST(found.chosen.token == static_cast<std::int32_t>(token));
      BOOST_TEST(std::abs(found.chosen.logprob - exact_logprob(logits, token)) < 1e-6, "n " << n << " token " << token);
      BOOST_TEST(found.top.empty());
    }
  }
}

BOOST_AUTO_TEST_CASE(probabilities_sum_to_one_within_a_millionth) {
  const auto logits = make_logits(50257, 3);
  const auto all = compute_logprobs(logits, 0, 50257);
  BOOST_REQUIRE_EQUAL(all.top.size(), logits.size());
  double sum = 0;
  for (const auto& t : all.top) {
    sum += std::exp(static_cast<double>(t.logprob));
  }
  BOOST_TEST(std::abs(sum - 1) < 1e-6, "sum " << sum);
}

BOOST_AUTO_TEST_CASE(alternatives_come_best_first_and_ties_by_lowest_id) {
  const std::vector<float> logits{1, 3, 2, 3, -1};
  const auto found = compute_logprobs(logits, 4, 3);
  BOOST_REQUIRE_EQUAL(found.top.size(), 3);
  BOOST_TEST(found.top[0].token == 1);
  BOOST_TEST(found.top[1].token == 3);
  BOOST_TEST(found.top[2].token == 2);
  BOOST_TEST(found.top[0].logprob == found.top[1].logprob);
  BOOST_TEST(found.chosen.logprob < found.top[2].logprob);
}

BOOST_AUTO_TEST_CASE(more_alternatives_than_tokens_give_all_tokens) {
  BOOST_TEST(compute_logprobs(std::vector<float>{1, 2}, 0, 20).top.size() == 2);
}

BOOST_AUTO_TEST_CASE(large_logits_do_not_overflow_and_impossible_tokens_have_minus_infinity) {
  const std::vector<float> logits{3e38F, -kInfinity, 3e38F};
  const auto found = compute_logprobs(logits, 1, 2);
  BOOST_TEST(found.chosen.logprob == -kInfinity);
  BOOST_TEST(std::abs(found.top[0].logprob - std::log(0.5F)) < 1e-6F);
}

BOOST_AUTO_TEST_CASE(argmax_takes_the_lowest_of_equal_ids_at_every_place) {
  for (std::size_t n = 1; n < 70; ++n) {
    for (std::size_t at = 0; at < n; ++at) {
      std::vector<float> logits(n, -2.0F);
      logits[at] = logits[n - 1] = 1.5F;
      BOOST_REQUIRE_EQUAL(argmax(logits), static_cast<std::int32_t>(at));
    }
  }
}

BOOST_AUTO_TEST_CASE(argmax_copes_with_minus_infinity) {
  BOOST_TEST(argmax(std::vector<float>{-kInfinity, -kInfinity, -7.0F}) == 2);
}

BOOST_AUTO_TEST_CASE(check_names_the_first_bad_token) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const struct {
    std::vector<float> logits;
    std::string_view expected;
  } cases[] = {
      {{0, 1, nan, nan}, "NaN for token 2"},
      {{0, kInfinity, 1}, "+inf for token 1"},
      {{-kInfinity, -kInfinity}, "-inf for all 2 tokens"},
      {{}, "all 0 tokens"},
  };
  for (const auto& c : cases) {
    const auto result = check_logits(c.logits);
    BOOST_REQUIRE(!result);
    BOOST_TEST((result.error().code == ErrorCode::kInternal));
    BOOST_TEST(result.error().message.find(c.expected) != std::string::npos, result.error().message);
  }
  BOOST_TEST(check_logits(std::vector<float>{-kInfinity, 0}).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
