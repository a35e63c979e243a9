// Rung 6: the feed-forward network between its norm and the residual.
#pragma once

#include "tested_models.hpp"  // the plugin's own

namespace utf = boost::unit_test;
using namespace llorch::testing::checkpoints;  // NOLINT(google-build-using-namespace)

BOOST_AUTO_TEST_SUITE(checkpoint_06_ffn, *utf::depends_on("checkpoint_05_attention") *
                                             utf::description("the feed-forward network matches at 1e-4"))

BOOST_DATA_TEST_CASE(ffn_norm_of_the_first_block, all_models()) {
  check_tensors(loaded(sample), {LLORCH_TAP_FFN_NORM}, Layers::kFirst, sample.tolerances.later_norm);
}
BOOST_DATA_TEST_CASE(ffn_output_of_the_first_block, all_models()) {
  check_tensors(loaded(sample), {LLORCH_TAP_FFN_OUT}, Layers::kFirst, sample.tolerances.ffn);
}

BOOST_AUTO_TEST_SUITE_END()
