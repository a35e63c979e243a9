#include "sampling/sampler.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "host/sampling/make_logits.hpp"
#include "host/sampling/reference_sampler.hpp"

using namespace llorch;
using namespace llorch::sampling;

namespace {

std::vector<std::int32_t> draw_many(Sampler& sampler, const std::vector<float>& logits, int n) {
  std::vector<std::int32_t> tokens;
  for (int i = 0; i < n; ++i) {
    tokens.push_back(sampler.sample(logits).value());
  }
  return tokens;
}

std::vector<std::int32_t> draw_many(const Params& params, const std::vector<float>& logits, int n) {
  Sampler sampler(params, static_cast<std::uint32_t>(logits.size()));
  return draw_many(sampler, logits, n);
}

struct Case {
  std::string_view name;
  Params params;
};

std::vector<Case> every_stage() {
  return {
      {"plain", {.temperature = 1.0F}},
      {"cool", {.temperature = 0.3F}},
      {"hot", {.temperature = 2.0F}},
      {"barely warm", {.temperature = 2e-6F}},
      {"top_k 1", {.top_k = 1}},
      {"top_k 7", {.top_k = 7}},
      {"top_k 600", {.top_k = 600}},
      {"top_k beyond the vocabulary", {.top_k = 1'000'000}},
      {"top_p 0", {.top_p = 0.0F}},
      {"top_p 0.5", {.top_p = 0.5F}},
      {"top_p 0.95", {.top_p = 0.95F}},
      {"top_p 0.9999", {.top_p = 0.9999F}},
      {"top_p of a hot distribution", {.temperature = 2.0F, .top_p = 0.97F}},
      {"min_p 0.1", {.min_p = 0.1F}},
      {"min_p 1", {.min_p = 1.0F}},
      {"all three", {.temperature = 0.8F, .top_k = 40, .top_p = 0.95F, .min_p = 0.05F}},
      {"all three, wide", {.temperature = 1.7F, .top_k = 900, .top_p = 0.9F, .min_p = 0.001F}},
      {"repetition", {.repetition_penalty = 1.3F}},
      {"repetition below 1", {.repetition_penalty = 0.5F}},
      {"presence", {.presence_penalty = 1.5F}},
      {"frequency", {.frequency_penalty = 0.7F}},
      {"negative penalties", {.presence_penalty = -0.5F, .frequency_penalty = -0.25F}},
      {"bias", {.logit_bias = {{3, 4.0F}, {5, -100.0F}, {3, 1.0F}}}},
      {"everything",
       {.temperature = 0.9F,
        .top_k = 50,
        .top_p = 0.9F,
        .min_p = 0.02F,
        .repetition_penalty = 1.1F,
        .presence_penalty = 0.3F,
        .frequency_penalty = 0.2F,
        .seed = 7,
        .logit_bias = {{1, 2.0F}}}},
  };
}

}  // namespace

BOOST_AUTO_TEST_SUITE(sampling_sampler)

// The fast implementation selects; the reference sorts. Given the same uniform number they must choose the same token.
// A number that falls on a border within rounding error may differ in principle; the seeds here meet no such case.
BOOST_AUTO_TEST_CASE(every_stage_agrees_with_the_plain_reference) {
  const std::vector<std::int32_t> prompt{1, 2, 2, 9};
  for (const std::size_t vocab : {1U, 2U, 11U, 300U, 1031U}) {
    for (const Case& c : every_stage()) {
      Params params = c.params;
      std::erase_if(params.logit_bias, [&](const auto& b) { return b.first >= static_cast<std::int32_t>(vocab); });
      std::vector<std::int32_t> usable;
      for (const auto token : prompt) {
        if (token < static_cast<std::int32_t>(vocab)) usable.push_back(token);
      }
      Sampler sampler(params, static_cast<std::uint32_t>(vocab));
      sampler.accept_prompt(usable);
      std::mt19937_64 random(params.seed);
      std::vector<std::int32_t> generated;
      for (std::uint64_t step = 0; step < 40; ++step) {
        const auto logits = make_logits(vocab, step * 31 + vocab);
        const auto expected_from = reference::distribution(reference::edit(logits, params, usable, generated), params);
        const double uniform = static_cast<double>(random() >> 11) * 0x1p-53;
        const auto found = sampler.sample(logits);
        BOOST_REQUIRE(found.has_value());
        BOOST_TEST_CONTEXT(c.name << ", vocabulary " << vocab << ", step " << step) {
          BOOST_REQUIRE_EQUAL(*found, reference::pick(expected_from, uniform));
        }
        generated.push_back(*found);
      }
    }
  }
}

// The literals come from an independent implementation (Python, its own Mersenne twister, libm, full sorts).
BOOST_AUTO_TEST_CASE(these_seeds_give_these_tokens) {
  const auto logits = make_logits(50257, 2024, 14.0F);
  const auto expect = [&](const Params& params, const std::vector<std::int32_t>& expected) {
    BOOST_TEST(draw_many(params, logits, 8) == expected, boost::test_tools::per_element());
  };
  expect({.seed = 42}, {36345, 30895, 36243, 6437, 44456, 4795, 28578, 19344});
  expect({.temperature = 0.7F, .seed = 42}, {34562, 29163, 34562, 6810, 43443, 5346, 28578, 19701});
  expect({.temperature = 0.8F, .top_k = 40, .top_p = 0.95F, .min_p = 0.05F, .seed = 1234567890123456789ULL},
         {14765, 29163, 8783, 21978, 21978, 40203, 37137, 6164});
  expect({.temperature = 1.2F, .top_p = 0.9F, .seed = 0}, {7859, 49318, 1414, 29163, 27396, 1953, 30776, 21483});
  expect({.temperature = 0.0F, .repetition_penalty = 1.5F, .frequency_penalty = 2.0F, .seed = 42},
         {29163, 21978, 6164, 8783, 34163, 28578, 14765, 22537});
}

BOOST_AUTO_TEST_CASE(greedy_takes_the_largest_and_ties_go_to_the_lowest_id) {
  const std::vector<float> logits{0.5F, 2.0F, -1.0F, 2.0F};
  for (const float temperature : {0.0F, 1e-7F, 9.9e-7F}) {
    BOOST_TEST(draw_many({.temperature = temperature}, logits, 3) == (std::vector<std::int32_t>{1, 1, 1}),
               boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(greedy_ignores_top_k_top_p_and_min_p_but_not_bias_and_penalties) {
  const std::vector<float> logits{1.0F, 2.0F, 1.5F};
  BOOST_TEST(draw_many({.temperature = 0, .top_k = 2, .top_p = 0.1F, .min_p = 0.9F}, logits, 1).front() == 1);
  BOOST_TEST(draw_many({.temperature = 0, .logit_bias = {{0, 5.0F}}}, logits, 1).front() == 0);
  BOOST_TEST(
      draw_many({.temperature = 0, .presence_penalty = 0.75F}, logits, 3) == (std::vector<std::int32_t>{1, 2, 1}),
      boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(top_p_zero_min_p_one_and_top_k_one_all_mean_argmax) {
  const auto logits = make_logits(999, 5);
  const std::vector<std::int32_t> expected(50, argmax(logits));
  for (const Params& params : {Params{.temperature = 2.0F, .top_p = 0.0F}, Params{.temperature = 2.0F, .top_k = 1}}) {
    BOOST_TEST(draw_many(params, logits, 50) == expected, boost::test_tools::per_element());
  }
  std::vector<float> single = logits;
  single[77] = 100.0F;
  BOOST_TEST(draw_many({.temperature = 2.0F, .min_p = 1.0F}, single, 50) == std::vector<std::int32_t>(50, 77),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_only_finite_logit_is_always_chosen) {
  std::vector<float> logits(700, -kInfinity);
  logits[699] = -3.0e38F;
  for (const Case& c : every_stage()) {
    BOOST_TEST_CONTEXT(c.name) {
      BOOST_TEST(draw_many(c.params, logits, 5) == std::vector<std::int32_t>(5, 699), boost::test_tools::per_element());
    }
  }
}

BOOST_AUTO_TEST_CASE(impossible_tokens_are_never_drawn_whatever_their_bias) {
  std::vector<float> logits(300, 1.0F);
  logits[4] = -kInfinity;
  for (const auto token : draw_many({.temperature = 2.0F, .logit_bias = {{4, 100.0F}}}, logits, 2000)) {
    BOOST_REQUIRE_NE(token, 4);
  }
}

BOOST_AUTO_TEST_CASE(a_stage_that_removes_nothing_changes_nothing) {
  const auto logits = make_logits(400, 8);
  const auto plain = draw_many({}, logits, 200);
  BOOST_TEST(draw_many({.top_k = 400}, logits, 200) == plain, boost::test_tools::per_element());
  BOOST_TEST(draw_many({.min_p = 1e-30F}, logits, 200) == plain, boost::test_tools::per_element());
  BOOST_TEST(draw_many({.logit_bias = {{3, 0.0F}}}, logits, 200) == plain, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(repetition_penalty_divides_positive_and_multiplies_negative_logits) {
  const std::vector<float> logits{4.0F, 3.9F, -1.0F};
  {
    Sampler sampler({.temperature = 0, .repetition_penalty = 2.0F}, 3);
    sampler.accept_prompt(std::vector<std::int32_t>{0});
    BOOST_TEST(sampler.sample(logits).value() == 1);  // 4 / 2 = 2 < 3.9
    BOOST_TEST(sampler.sample(logits).value() == 0);  // 4 / 2 > 3.9 / 2
  }
  {
    Sampler sampler({.temperature = 0, .repetition_penalty = 2.0F}, 2);
    sampler.accept_prompt(std::vector<std::int32_t>{0});
    BOOST_TEST(sampler.sample(std::vector<float>{-1.0F, -1.5F}).value() == 1);  // -1 * 2 < -1.5
  }
}

BOOST_AUTO_TEST_CASE(repetition_penalty_zero_favours_what_was_seen_and_stays_finite) {
  Sampler sampler({.temperature = 0, .repetition_penalty = 0.0F}, 4);
  sampler.accept_prompt(std::vector<std::int32_t>{1, 2});
  BOOST_TEST(sampler.sample(std::vector<float>{9.0F, 1.0F, 2.0F, 8.0F}).value() == 2);
  Sampler warm({.temperature = 1, .repetition_penalty = 0.0F}, 3);
  warm.accept_prompt(std::vector<std::int32_t>{1});
  BOOST_TEST(warm.sample(std::vector<float>{1.0F, 3e38F, 2.0F}).value() == 1);
}

BOOST_AUTO_TEST_CASE(presence_and_frequency_count_generated_tokens_only) {
  Sampler sampler({.temperature = 0, .presence_penalty = 2.0F, .frequency_penalty = 2.0F}, 2);
  sampler.accept_prompt(std::vector<std::int32_t>{0, 0, 0});
  BOOST_TEST(sampler.sample(std::vector<float>{1.0F, 0.5F}).value() == 0);
  BOOST_TEST(sampler.sample(std::vector<float>{1.0F, 0.5F}).value() == 1);
}

BOOST_AUTO_TEST_CASE(bad_logits_are_an_error_and_change_nothing) {
  const auto logits = make_logits(500, 12);
  const Params params{.repetition_penalty = 1.2F, .frequency_penalty = 0.5F, .seed = 99};
  const auto expected = draw_many(params, logits, 20);

  Sampler sampler(params, 500);
  std::vector<std::int32_t> found;
  for (int i = 0; i < 20; ++i) {
    for (const float poison : {std::numeric_limits<float>::quiet_NaN(), kInfinity}) {
      auto bad = logits;
      bad[static_cast<std::size_t>(i)] = poison;
      const auto result = sampler.sample(bad);
      BOOST_REQUIRE(!result);
      BOOST_TEST((result.error().code == ErrorCode::kInternal));
    }
    BOOST_REQUIRE(!sampler.sample(std::vector<float>(500, -kInfinity)));
    BOOST_REQUIRE(!sampler.sample(std::vector<float>(499, 0.0F)));
    found.push_back(sampler.sample(logits).value());
  }
  BOOST_TEST(found == expected, boost::test_tools::per_element());
}

// Pearson's statistic against the reference's probabilities. The seed is fixed, so the outcome is, too; the bound is
// the 99.99 % quantile, and a sampler that is off by one token or one stage exceeds it by far.
BOOST_AUTO_TEST_CASE(frequencies_follow_the_distribution) {
  const auto logits = make_logits(24, 4, 3.0F);
  const std::vector<double> wide(logits.begin(), logits.end());
  for (const Params& params : {Params{.seed = 11}, Params{.temperature = 0.7F, .seed = 12},
                               Params{.temperature = 1.5F, .top_k = 9, .seed = 13}, Params{.top_p = 0.8F, .seed = 14},
                               Params{.min_p = 0.2F, .seed = 15}}) {
    constexpr int kDraws = 40'000;
    std::vector<int> counts(logits.size());
    for (const auto token : draw_many(params, logits, kDraws)) {
      ++counts[static_cast<std::size_t>(token)];
    }
    const auto distribution = reference::distribution(wide, params);
    double statistic = 0;
    int seen = 0;
    for (const auto& c : distribution) {
      const double expected = c.p * kDraws;
      const double difference = counts[static_cast<std::size_t>(c.token)] - expected;
      statistic += difference * difference / expected;
      seen += counts[static_cast<std::size_t>(c.token)];
    }
    BOOST_TEST(seen == kDraws, "tokens outside the distribution were drawn");
    const double freedom = static_cast<double>(distribution.size()) - 1;
    // Wilson and Hilferty 1931: quantile of chi-square from that of the normal distribution (3.719 for 99.99 %).
    const double bound = freedom * std::pow(1 - 2 / (9 * freedom) + 3.719 * std::sqrt(2 / (9 * freedom)), 3);
    BOOST_TEST(statistic < bound, "chi-square " << statistic << " with " << freedom << " degrees of freedom");
  }
}

BOOST_AUTO_TEST_CASE(different_seeds_give_different_texts) {
  const auto logits = make_logits(5000, 1);
  BOOST_TEST(draw_many({.seed = 1}, logits, 16) != draw_many({.seed = 2}, logits, 16));
  BOOST_TEST(draw_many({.seed = 0}, logits, 16) != draw_many({.seed = ~0ULL}, logits, 16));
}

BOOST_AUTO_TEST_CASE(validation_names_the_field_and_the_value) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const struct {
    Params params;
    std::string_view expected;
  } cases[] = {
      {{.temperature = 2.5F}, "temperature: expected a number from 0 to 2, found 2.5"},
      {{.temperature = -1.0F}, "temperature"},
      {{.temperature = nan}, "temperature"},
      {{.top_p = 1.1F}, "top_p"},
      {{.min_p = -0.1F}, "min_p"},
      {{.repetition_penalty = 3.0F}, "repetition_penalty"},
      {{.presence_penalty = -2.5F}, "presence_penalty"},
      {{.frequency_penalty = kInfinity}, "frequency_penalty"},
      {{.logit_bias = {{10, 1.0F}}}, "logit_bias: expected token ids from 0 to 9, found 10"},
      {{.logit_bias = {{-1, 1.0F}}}, "logit_bias"},
      {{.logit_bias = {{1, nan}}}, "logit_bias"},
  };
  for (const auto& c : cases) {
    const auto result = validate(c.params, 10);
    BOOST_REQUIRE(!result);
    BOOST_TEST((result.error().code == ErrorCode::kInvalidArgument));
    BOOST_TEST(result.error().message.starts_with(c.expected), result.error().message);
  }
  BOOST_TEST(validate({}, 10).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
