// Rung 1B of models with rotary positions: queries and keys are rotated by their positions, values are not; nothing is
// added to the embedding.
#pragma once

#include <cmath>

#include "tested_models.hpp"  // the plugin's own

namespace utf = boost::unit_test;
using namespace llorch::testing::checkpoints;  // NOLINT(google-build-using-namespace)
using llorch::checkpoint::TapRecord;
using llorch::checkpoint::Tensor;

namespace {

/// What some taps of layer 0 show when `ids` are fed from `position` on, `chunk` at a time.
TapRecord tapped(const ModelUnderTest& model, std::initializer_list<std::uint32_t> taps,
                 const std::vector<std::int32_t>& ids, std::int32_t position, std::uint32_t chunk = 1000) {
  const auto context = model.context();
  TapRecord record;
  std::uint64_t mask = 0;
  for (const std::uint32_t tap : taps)
    mask |= std::uint64_t{1} << tap;
  succeed(context->set_tap(mask, 0, 1, [&](const llorch_tap_event& event) {
    record.add(event);
    return true;
  }));
  take(feed(*context, ids, position, Wanted::kNone, 0, chunk));
  return record;
}

/// The rows of all events of a tap, one below the other.
Tensor joined(const TapRecord& record, std::uint32_t tap) {
  Tensor all{{0, 0}, {}};
  for (const auto& event : record.all(tap, tap == LLORCH_TAP_EMBED ? -1 : 0)) {
    all.dims = {all.dims[0] + event.tensor.dims[0], event.tensor.dims[1]};
    all.values.insert(all.values.end(), event.tensor.values.begin(), event.tensor.values.end());
  }
  return all;
}

Tensor minus(const Tensor& a, const Tensor& b) {
  Tensor out = a;
  for (std::size_t i = 0; i < out.values.size(); ++i)
    out.values[i] -= b.values[i];
  return out;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(checkpoint_01b_position, *utf::depends_on("checkpoint_01_norm") *
                                                   utf::description("rotary positions match the reference at 1e-5"))

BOOST_DATA_TEST_CASE(the_embedding_is_the_tokens_alone, all_models()) {
  ModelUnderTest& model = loaded(sample);
  check_tensors(model, {LLORCH_TAP_EMBED}, Layers::kNone, sample.tolerances.embedding);
  const auto last = static_cast<std::int32_t>(model.info().max_positions) - 1;
  const auto first = joined(tapped(model, {LLORCH_TAP_EMBED}, {3}, 0), LLORCH_TAP_EMBED);
  const auto late = joined(tapped(model, {LLORCH_TAP_EMBED}, {3}, last), LLORCH_TAP_EMBED);
  BOOST_TEST(same_bytes(std::span(late.values), std::span(first.values)));
}

BOOST_DATA_TEST_CASE(rotated_queries_and_keys_of_the_first_block, all_models()) {
  check_tensors(loaded(sample), {LLORCH_TAP_Q_ROTATED, LLORCH_TAP_K_ROTATED}, Layers::kFirst,
                sample.tolerances.rotated);
}

// What the rotation itself adds: the turned vector less the one before, at every position of the prompt.
BOOST_DATA_TEST_CASE(the_rotation_matches_from_position_0_to_the_end_of_the_context, all_models()) {
  ModelUnderTest& model = loaded(sample);
  std::size_t compared = 0;
  for (const auto& c : model.reference().cases) {
    for (const auto& [before, after] :
         {std::pair{LLORCH_TAP_Q, LLORCH_TAP_Q_ROTATED}, std::pair{LLORCH_TAP_K, LLORCH_TAP_K_ROTATED}}) {
      const auto* plain = c.find(before, 0);
      const auto* turned = c.find(after, 0);
      if (plain == nullptr || turned == nullptr) continue;
      const Tensor wanted = take(llorch::checkpoint::read_npy(turned->file));
      const Tensor expected = minus(wanted, take(llorch::checkpoint::read_npy(plain->file)));
      const TapRecord& record = model.taps(c);
      const auto found = minus(record.only(after, 0)->tensor, record.only(before, 0)->tensor);
      BOOST_TEST_CONTEXT("case " << c.name) {
        BOOST_TEST(matches(found, expected, sample.tolerances.rotated.of(wanted.values)));
      }
      ++compared;
    }
  }
  BOOST_TEST(compared > 0U, "expected a case with queries or keys before and behind the rotation, found none");
}

BOOST_DATA_TEST_CASE(positions_behind_a_chunk_are_those_of_the_prompt, all_models()) {
  ModelUnderTest& model = loaded(sample);
  const auto& ids = model.reference().cases.back().prompt_ids;
  const auto taps = {LLORCH_TAP_Q_ROTATED, LLORCH_TAP_K_ROTATED};
  const TapRecord whole = tapped(model, {LLORCH_TAP_Q_ROTATED, LLORCH_TAP_K_ROTATED}, ids, 0);
  const TapRecord chunks = tapped(model, {LLORCH_TAP_Q_ROTATED, LLORCH_TAP_K_ROTATED}, ids, 0, 3);
  for (const auto tap : taps) {
    const Tensor in_chunks = joined(chunks, tap);
    const Tensor at_once = joined(whole, tap);
    BOOST_TEST(same_bytes(std::span(in_chunks.values), std::span(at_once.values)));
  }
}

BOOST_DATA_TEST_CASE(position_0_turns_nothing_and_every_rotation_keeps_the_length, all_models()) {
  ModelUnderTest& model = loaded(sample);
  const auto at = [&](std::int32_t position) {
    return tapped(model, {LLORCH_TAP_Q, LLORCH_TAP_Q_ROTATED}, {5}, position);
  };
  const TapRecord start = at(0);
  const auto& plain = start.only(LLORCH_TAP_Q, 0)->tensor;
  const auto& turned = start.only(LLORCH_TAP_Q_ROTATED, 0)->tensor;
  const float scale = turned.values.front() / plain.values.front();  // YaRN scales, the others do not
  for (const std::int32_t position : {0, 1, 17, static_cast<std::int32_t>(model.info().max_positions) - 1}) {
    const TapRecord record = at(position);
    const auto& found = record.only(LLORCH_TAP_Q_ROTATED, 0)->tensor.values;
    for (std::size_t i = 0; i < found.size(); i += 2) {
      const double length = std::hypot(double{plain.values[i]}, double{plain.values[i + 1]}) * double{scale};
      BOOST_TEST(std::abs(std::hypot(double{found[i]}, double{found[i + 1]}) - length) < 1e-5,
                 "position " << position << ", component " << i);
      if (position == 0) BOOST_TEST(std::abs(found[i] - plain.values[i] * scale) < 1e-6);
    }
  }
}

BOOST_DATA_TEST_CASE(values_are_never_rotated, all_models()) {
  ModelUnderTest& model = loaded(sample);
  const auto first = joined(tapped(model, {LLORCH_TAP_V}, {9}, 0), LLORCH_TAP_V);
  const auto late = joined(tapped(model, {LLORCH_TAP_V}, {9}, 33), LLORCH_TAP_V);
  BOOST_TEST(same_bytes(std::span(late.values), std::span(first.values)));
}

BOOST_AUTO_TEST_SUITE_END()
