// Rung 7: x + attention(norm(x)), then + ffn(norm(.)): pre-norm with two residual additions.
#pragma once

#include "tested_models.hpp"  // the plugin's own

namespace utf = boost::unit_test;
using namespace llorch::testing::checkpoints;  // NOLINT(google-build-using-namespace)

BOOST_AUTO_TEST_SUITE(checkpoint_07_block,
                      *utf::depends_on("checkpoint_06_ffn") * utf::description("the first block matches at 1e-4"))

BOOST_DATA_TEST_CASE(first_block, all_models()) {
  check_tensors(loaded(sample), {LLORCH_TAP_BLOCK_OUT}, Layers::kFirst, sample.tolerances.block);
}

BOOST_AUTO_TEST_SUITE_END()
