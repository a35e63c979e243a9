// Rung 4: Q.K^T / sqrt(head_dim) under the causal mask; masked positions are -inf before softmax.
#pragma once

#include <limits>

#include "tested_models.hpp"  // the plugin's own

namespace utf = boost::unit_test;
using namespace llorch::testing::checkpoints;  // NOLINT(google-build-using-namespace)
using llorch::checkpoint::TapRecord;
using llorch::checkpoint::Tensor;

namespace {

/// Rows [begin, begin + count) and the first n_kv columns of scores (n_heads, rows, columns).
inline Tensor part_of(const Tensor& scores, std::size_t begin, std::size_t count, std::size_t n_kv) {
  Tensor out{{scores.dims[0], count, n_kv}, {}};
  for (std::size_t head = 0; head < scores.dims[0]; ++head) {
    for (std::size_t row = begin; row < begin + count; ++row) {
      const auto at =
          scores.values.begin() + static_cast<std::ptrdiff_t>((head * scores.dims[1] + row) * scores.dims[2]);
      out.values.insert(out.values.end(), at, at + static_cast<std::ptrdiff_t>(n_kv));
    }
  }
  return out;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(checkpoint_04_scores, *utf::depends_on("checkpoint_03_kv_cache") *
                                                utf::description("attention scores match the reference at 1e-4"))

BOOST_DATA_TEST_CASE(scores_of_the_first_block, all_models()) {
  check_tensors(loaded(sample), {LLORCH_TAP_SCORES}, Layers::kFirst, sample.tolerances.scores);
}

BOOST_DATA_TEST_CASE(masked_positions_are_minus_infinity_and_no_others, all_models()) {
  ModelUnderTest& model = loaded(sample);
  const auto& c = model.reference().cases.back();
  const std::uint64_t window = window_of(model);
  for (std::uint32_t layer = 0; layer < model.info().n_layers; ++layer) {
    const auto* event = model.taps(c).only(LLORCH_TAP_SCORES, static_cast<std::int32_t>(layer));
    BOOST_REQUIRE(event != nullptr);
    const auto& dims = event->tensor.dims;
    BOOST_REQUIRE_EQUAL(dims.size(), 3U);
    BOOST_TEST(dims[1] == c.prompt_ids.size());
    BOOST_TEST(dims[2] == c.prompt_ids.size());
    for (std::size_t i = 0; i < event->tensor.values.size(); ++i) {
      const std::size_t column = i % dims[2];
      const std::size_t row = i / dims[2] % dims[1];
      const bool masked = event->tensor.values[i] == -std::numeric_limits<float>::infinity();
      const bool expected = column > row || (window > 0 && row >= column + window);
      BOOST_REQUIRE_MESSAGE(masked == expected, "layer " << layer << ", row " << row << ", column " << column << ": "
                                                         << event->tensor.values[i]);
    }
  }
}

BOOST_DATA_TEST_CASE(a_chunk_sees_the_cached_positions_and_its_own_and_none_more, all_models()) {
  ModelUnderTest& model = loaded(sample);
  const auto& c = model.reference_case("short");
  const auto* reference = c.find(LLORCH_TAP_SCORES, 0);
  BOOST_REQUIRE(reference != nullptr);
  const Tensor whole = take(llorch::checkpoint::read_npy(reference->file));
  const auto context = model.context();
  TapRecord record;
  succeed(context->set_tap(std::uint64_t{1} << LLORCH_TAP_SCORES, reference->layer, reference->layer + 1,
                           [&](const llorch_tap_event& event) {
                             record.add(event);
                             return true;
                           }));
  constexpr std::size_t kChunk = 3;
  take(feed(*context, c.prompt_ids, 0, Wanted::kAll, 0, kChunk));
  std::size_t begin = 0;
  for (const auto& event : record.all(LLORCH_TAP_SCORES, reference->layer)) {
    const std::size_t count = std::min(kChunk, c.prompt_ids.size() - begin);
    BOOST_TEST_CONTEXT("rows from " << begin << " on") {
      const Tensor wanted = part_of(whole, begin, count, begin + count);
      BOOST_TEST(matches(event.tensor, wanted, sample.tolerances.scores.of(whole.values)));
    }
    begin += count;
  }
  BOOST_TEST(begin == c.prompt_ids.size());
}

BOOST_AUTO_TEST_CASE(two_sequences_in_one_batch_give_one_event_each_with_their_own_rows) {
  ModelUnderTest& model = loaded(tested_models.front());
  const auto context = model.context(2);
  TapRecord record;
  succeed(context->set_tap(std::uint64_t{1} << LLORCH_TAP_SCORES, 0, 1, [&](const llorch_tap_event& event) {
    record.add(event);
    return true;
  }));
  const std::int32_t tokens[] = {5, 6, 7, 8, 9};
  const std::int32_t positions[] = {0, 1, 0, 1, 2};
  const std::int32_t seqs[] = {1, 1, 0, 0, 0};
  const std::uint32_t flags[] = {0, 1, 0, 0, 1};
  BOOST_REQUIRE(context->forward(tokens, positions, seqs, flags).has_value());
  const auto events = record.all(LLORCH_TAP_SCORES, 0);
  BOOST_REQUIRE_EQUAL(events.size(), 2U);
  const auto* reference = model.reference_case("short").find(LLORCH_TAP_SCORES, 0);
  BOOST_REQUIRE(reference != nullptr);
  const std::uint64_t n_heads = take(llorch::checkpoint::read_npy(reference->file)).dims[0];
  const std::vector<std::uint64_t> first{n_heads, 2, 2};
  const std::vector<std::uint64_t> second{n_heads, 3, 3};
  BOOST_TEST(events[0].tensor.dims == first, boost::test_tools::per_element());
  BOOST_TEST(events[1].tensor.dims == second, boost::test_tools::per_element());
  const std::vector<std::uint32_t> second_rows{2, 3, 4};
  BOOST_TEST(events[1].rows == second_rows, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
