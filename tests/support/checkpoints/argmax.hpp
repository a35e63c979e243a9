// Rung 10: temperature below 1e-6 means argmax, ties go to the lowest id; the same ids as the reference, step after
// step.
#pragma once

#include "sampling/sampler.hpp"
#include "tested_models.hpp"  // the plugin's own

namespace utf = boost::unit_test;
using namespace llorch::testing::checkpoints;  // NOLINT(google-build-using-namespace)

BOOST_AUTO_TEST_SUITE(checkpoint_10_argmax,
                      *utf::depends_on("checkpoint_09_selected_logits") * utf::description("greedy ids are exact"))

BOOST_DATA_TEST_CASE(greedy_ids_are_those_of_the_reference, all_models()) {
  ModelUnderTest& model = loaded(sample);
  for (const auto& c : model.reference().cases) {
    if (c.greedy_ids.empty()) continue;
    BOOST_TEST_CONTEXT("case " << c.name) {
      const auto ids = take(llorch::checkpoint::decode_greedily(*model.context(), c.prompt_ids, c.greedy_ids.size()));
      BOOST_TEST(ids == c.greedy_ids, boost::test_tools::per_element());
    }
  }
}

BOOST_DATA_TEST_CASE(a_temperature_below_a_millionth_is_argmax, all_models()) {
  ModelUnderTest& model = loaded(sample);
  const auto& c = model.reference().cases[1];
  const auto row = take(feed(*model.context(), c.prompt_ids, 0, Wanted::kLast)).back();
  for (const float temperature : {0.0F, 9e-7F}) {
    llorch::sampling::Params params;
    params.temperature = temperature;
    llorch::sampling::Sampler sampler(params, model.info().vocab_size);
    BOOST_TEST(take(sampler.sample(row)) == c.greedy_ids.front());
  }
}

BOOST_AUTO_TEST_CASE(ties_go_to_the_lowest_id) {
  const std::vector<float> logits{1.0F, 3.0F, 2.0F, 3.0F, 3.0F};
  BOOST_TEST(llorch::sampling::argmax(logits) == 1);
}

BOOST_AUTO_TEST_SUITE_END()
