// Rung 2: queries, keys and values before any rotation.
#pragma once

#include "tested_models.hpp"  // the plugin's own

namespace utf = boost::unit_test;
using namespace llorch::testing::checkpoints;  // NOLINT(google-build-using-namespace)

BOOST_AUTO_TEST_SUITE(checkpoint_02_qkv, *utf::depends_on("checkpoint_01b_position") *
                                             utf::description("Q, K and V match the reference at 1e-4"))

BOOST_DATA_TEST_CASE(query_of_the_first_block, all_models()) {
  check_tensors(loaded(sample), {LLORCH_TAP_Q}, Layers::kFirst, sample.tolerances.qkv);
}
BOOST_DATA_TEST_CASE(key_of_the_first_block, all_models()) {
  check_tensors(loaded(sample), {LLORCH_TAP_K}, Layers::kFirst, sample.tolerances.qkv);
}
BOOST_DATA_TEST_CASE(value_of_the_first_block, all_models()) {
  check_tensors(loaded(sample), {LLORCH_TAP_V}, Layers::kFirst, sample.tolerances.qkv);
}

BOOST_AUTO_TEST_SUITE_END()
