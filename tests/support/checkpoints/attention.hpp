// Rung 5: softmax . V, heads merged, output projection.
#pragma once

#include "tested_models.hpp"  // the plugin's own

namespace utf = boost::unit_test;
using namespace llorch::testing::checkpoints;  // NOLINT(google-build-using-namespace)

BOOST_AUTO_TEST_SUITE(checkpoint_05_attention, *utf::depends_on("checkpoint_04_scores") *
                                                   utf::description("attention output matches the reference at 1e-4"))

BOOST_DATA_TEST_CASE(attention_output_of_the_first_block, all_models()) {
  check_tensors(loaded(sample), {LLORCH_TAP_ATTN_OUT}, Layers::kFirst, sample.tolerances.attention);
}

BOOST_AUTO_TEST_SUITE_END()
