// Rung 10: greedy ids.
#include "support/checkpoints/argmax.hpp"

BOOST_AUTO_TEST_SUITE(checkpoint_10_steps, *utf::depends_on("checkpoint_09_selected_logits"))

BOOST_AUTO_TEST_CASE(the_trained_reference_has_at_least_64_steps) {
  for (const auto& c : loaded(tested_models.back()).reference().cases)
    BOOST_TEST(c.greedy_ids.size() >= 64U);
}

BOOST_AUTO_TEST_SUITE_END()
