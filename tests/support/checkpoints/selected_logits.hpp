// Rung 9: logits come back for the rows that asked for them, in their order, and for no others.
#pragma once

#include "tested_models.hpp"  // the plugin's own

namespace utf = boost::unit_test;
using namespace llorch::testing::checkpoints;  // NOLINT(google-build-using-namespace)

BOOST_AUTO_TEST_SUITE(checkpoint_09_selected_logits,
                      *utf::depends_on("checkpoint_08_logits") *
                          utf::description("requested rows are exactly those of all rows"))

BOOST_DATA_TEST_CASE(the_last_row_alone_is_the_last_of_all, all_models()) {
  ModelUnderTest& model = loaded(sample);
  for (const auto& c : model.reference().cases) {
    const Rows last = take(feed(*model.context(), c.prompt_ids, 0, Wanted::kLast));
    BOOST_TEST(same_bytes(last, {all_rows(model, c.prompt_ids).back()}));
  }
}

BOOST_DATA_TEST_CASE(none_requested_gives_none, all_models()) {
  ModelUnderTest& model = loaded(sample);
  BOOST_TEST(take(feed(*model.context(), model.reference().cases[1].prompt_ids, 0, Wanted::kNone)).empty());
}

BOOST_DATA_TEST_CASE(any_choice_of_rows_comes_back_in_order, all_models()) {
  ModelUnderTest& model = loaded(sample);
  const auto& ids = model.reference().cases[1].prompt_ids;
  const Rows all = all_rows(model, ids);
  std::vector<std::int32_t> positions(ids.size());
  std::vector<std::uint32_t> flags(ids.size());
  Rows expected;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    positions[i] = static_cast<std::int32_t>(i);
    flags[i] = i % 3 == 1 ? LLORCH_OUTPUT_LOGITS : 0;
    if (flags[i] != 0) expected.push_back(all[i]);
  }
  const std::vector<std::int32_t> seqs(ids.size(), 0);
  const auto context = model.context();
  const auto output = take(context->forward(ids, positions, seqs, flags));
  Rows actual;
  for (std::uint32_t row = 0; row < output.n_rows; ++row) {
    actual.emplace_back(output.row(row).begin(), output.row(row).end());
  }
  BOOST_TEST(same_bytes(actual, expected));
}

BOOST_DATA_TEST_CASE(one_token_gives_one_row, all_models()) {
  const Rows rows = all_rows(loaded(sample), some_ids(1, loaded(sample).info().vocab_size));
  BOOST_REQUIRE_EQUAL(rows.size(), 1U);
  BOOST_TEST(rows[0].size() == loaded(sample).info().vocab_size);
}

BOOST_AUTO_TEST_SUITE_END()
