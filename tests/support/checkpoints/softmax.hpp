// Rung 11: softmax(logits / temperature) with the maximum subtracted; sums to 1; the five best are the reference's.
#pragma once

#include <cmath>
#include <numeric>

#include "checkpoint/difference.hpp"
#include "sampling/sampler.hpp"
#include "tested_models.hpp"  // the plugin's own

namespace utf = boost::unit_test;
using namespace llorch::testing::checkpoints;  // NOLINT(google-build-using-namespace)

BOOST_AUTO_TEST_SUITE(checkpoint_11_softmax,
                      *utf::depends_on("checkpoint_10_argmax") * utf::description("probabilities match at 1e-6"))

BOOST_DATA_TEST_CASE(probabilities_of_the_last_row, all_models()) {
  ModelUnderTest& model = loaded(sample);
  for (const auto& c : model.reference().cases) {
    BOOST_REQUIRE(c.probabilities.has_value());
    const auto expected = take(llorch::checkpoint::read_npy(*c.probabilities));
    const auto row = take(feed(*model.context(), c.prompt_ids, 0, Wanted::kLast)).back();
    // The host's own probabilities: what logprobs are made of.
    llorch::checkpoint::Tensor actual{expected.dims, {}};
    double sum = 0.0;
    const auto ranked = llorch::sampling::compute_logprobs(row, 0, static_cast<std::uint32_t>(row.size())).top;
    actual.values.resize(row.size());
    for (const auto& [token, logprob] : ranked) {
      actual.values[static_cast<std::size_t>(token)] = std::exp(logprob);
      sum += std::exp(double{logprob});
    }
    BOOST_TEST_CONTEXT("case " << c.name) {
      BOOST_TEST(matches(actual, expected, sample.tolerances.probabilities.absolute));
      BOOST_TEST(std::fabs(sum - 1.0) <= 1e-6, "the probabilities add up to " << sum);
    }
  }
}

BOOST_DATA_TEST_CASE(the_five_best_ids_in_order, all_models()) {
  ModelUnderTest& model = loaded(sample);
  for (const auto& c : model.reference().cases) {
    const auto row = take(feed(*model.context(), c.prompt_ids, 0, Wanted::kLast)).back();
    std::vector<std::int32_t> best;
    for (const auto& entry : llorch::sampling::compute_logprobs(row, 0, 5).top)
      best.push_back(entry.token);
    if (!sample.tolerances.rounds_activations()) {
      BOOST_TEST(best == c.top5, boost::test_tools::per_element());
      continue;
    }
    // What lies within twice the tolerance of the logits may have changed places.
    const auto reference = take(llorch::checkpoint::read_npy(*c.probabilities)).values;
    const double near = 2.0 * sample.tolerances.logits.of(row);
    for (std::size_t i = 0; i < best.size(); ++i) {
      const auto found = static_cast<std::size_t>(best[i]);
      const auto expected = static_cast<std::size_t>(c.top5[i]);
      BOOST_TEST(std::fabs(std::log(double{reference[found]} / double{reference[expected]})) <= near,
                 "case " << c.name << ", place " << i << ": found " << found << ", expected " << expected);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
