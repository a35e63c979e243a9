// Rung 12: prompt to text, greedy, twice, identical; ids and text equal to the reference.
#pragma once

#include "tested_models.hpp"  // the plugin's own

namespace utf = boost::unit_test;
using namespace llorch::testing::checkpoints;  // NOLINT(google-build-using-namespace)

BOOST_AUTO_TEST_SUITE(checkpoint_12_end_to_end,
                      *utf::depends_on("checkpoint_11_softmax") * utf::description("text equals the reference"))

BOOST_AUTO_TEST_CASE(the_trained_model_writes_the_text_of_the_reference_twice) {
  ModelUnderTest& model = loaded(tested_models.back());
  const auto tokenizer = take(llorch::tokenizer::load_tokenizer(model.file()));
  for (const auto& c : model.reference().cases) {
    BOOST_REQUIRE(c.prompt.has_value());
    BOOST_REQUIRE(c.greedy_text.has_value());
    const auto prompt = tokenizer->encode(*c.prompt, {.add_special = true});
    BOOST_TEST(prompt == c.prompt_ids, boost::test_tools::per_element());
    for (int run = 0; run < 2; ++run) {
      const auto ids = take(llorch::checkpoint::decode_greedily(*model.context(), prompt, c.greedy_ids.size()));
      BOOST_TEST(tokenizer->decode(ids) == *c.greedy_text,
                 "case " << c.name << ", run " << run << ": " << tokenizer->decode(ids));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
