// Rung 1: the first norm.
#pragma once

#include "tested_models.hpp"  // the plugin's own

namespace utf = boost::unit_test;
using namespace llorch::testing::checkpoints;  // NOLINT(google-build-using-namespace)

BOOST_AUTO_TEST_SUITE(checkpoint_01_norm, *utf::depends_on("checkpoint_00_foundation") *
                                              utf::description("the norm matches the reference at 1e-5"))

BOOST_DATA_TEST_CASE(attention_norm_of_the_first_block, all_models()) {
  check_tensors(loaded(sample), {LLORCH_TAP_ATTN_NORM}, Layers::kFirst, sample.tolerances.norm);
}

BOOST_AUTO_TEST_SUITE_END()
