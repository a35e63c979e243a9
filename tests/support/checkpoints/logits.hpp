// Rung 8: all blocks, final norm, output head.
#pragma once

#include "tested_models.hpp"  // the plugin's own

namespace utf = boost::unit_test;
using namespace llorch::testing::checkpoints;  // NOLINT(google-build-using-namespace)

BOOST_AUTO_TEST_SUITE(checkpoint_08_logits,
                      *utf::depends_on("checkpoint_07_block") * utf::description("all logits match at 1e-3"))

BOOST_DATA_TEST_CASE(every_tensor_of_the_later_blocks_at_its_own_tolerance, all_models()) {
  const auto& tolerances = sample.tolerances;
  check_tensors(loaded(sample), {LLORCH_TAP_ATTN_NORM, LLORCH_TAP_FFN_NORM}, Layers::kLater, tolerances.later_norm);
  check_tensors(loaded(sample),
                {LLORCH_TAP_Q, LLORCH_TAP_K, LLORCH_TAP_V, LLORCH_TAP_Q_ROTATED, LLORCH_TAP_K_ROTATED,
                 LLORCH_TAP_SCORES, LLORCH_TAP_ATTN_OUT, LLORCH_TAP_FFN_OUT, LLORCH_TAP_BLOCK_OUT},
                Layers::kLater, tolerances.rounds_activations() ? tolerances.logits : tolerances.block);
}

BOOST_DATA_TEST_CASE(final_norm, all_models()) {
  check_tensors(loaded(sample), {LLORCH_TAP_FINAL_NORM}, Layers::kNone, sample.tolerances.later_norm);
}

BOOST_DATA_TEST_CASE(logits_of_every_row, all_models()) {
  ModelUnderTest& model = loaded(sample);
  for (const auto& c : model.reference().cases) {
    BOOST_REQUIRE(c.logits.has_value());
    const auto expected = take(llorch::checkpoint::read_npy(*c.logits));
    const Rows rows = all_rows(model, c.prompt_ids);
    llorch::checkpoint::Tensor actual{expected.dims, {}};
    for (std::size_t row = 0; row < rows.size(); ++row) {
      const auto& wanted = c.logits_rows;
      if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), row) == wanted.end()) continue;
      actual.values.insert(actual.values.end(), rows[row].begin(), rows[row].end());
    }
    BOOST_TEST_CONTEXT("case " << c.name) {
      BOOST_REQUIRE_EQUAL(actual.values.size(), expected.values.size());
      BOOST_TEST(matches(actual, expected, sample.tolerances.logits.of(expected.values)));
    }
  }
}

BOOST_DATA_TEST_CASE(the_tap_shows_what_forward_returns, all_models()) {
  ModelUnderTest& model = loaded(sample);
  const auto& c = model.reference().cases.front();
  const auto* event = model.taps(c).only(LLORCH_TAP_LOGITS, -1);
  BOOST_REQUIRE(event != nullptr);
  std::vector<float> returned;
  for (const auto& row : all_rows(model, c.prompt_ids))
    returned.insert(returned.end(), row.begin(), row.end());
  BOOST_TEST(same_bytes(std::span(event->tensor.values), std::span(returned)));
}

BOOST_DATA_TEST_CASE(the_same_weights_from_a_gguf_file_give_the_same_bytes, all_models()) {
  ModelUnderTest& model = loaded(sample);
  if (sample.gguf == nullptr) {
    BOOST_TEST_MESSAGE("skipped: there is no GGUF file of " << sample.name);
    BOOST_TEST(sample.name != tested_models.front().name);
    return;
  }
  ModelUnderTest gguf(plugin_name, sample.gguf, sample.reference, sample.kv);
  const auto& ids = model.reference_case("full").prompt_ids;
  BOOST_TEST(same_bytes(all_rows(gguf, ids), all_rows(model, ids)));
}

BOOST_AUTO_TEST_SUITE_END()
