// Rung 1B: learned position embeddings are added to the token embedding; Q and K are not rotated.
#include "tested_models.hpp"

namespace utf = boost::unit_test;
using namespace llorch::testing::checkpoints;  // NOLINT(google-build-using-namespace)
using llorch::checkpoint::TapRecord;

namespace {

/// The tensor of one tap when `ids` are fed from `position` on.
llorch::checkpoint::Tensor tapped(const ModelUnderTest& model, std::uint32_t tap, std::vector<std::int32_t> ids,
                                  std::int32_t position) {
  const auto context = model.context();
  TapRecord record;
  succeed(context->set_tap(std::uint64_t{1} << tap, 0, 1, [&](const llorch_tap_event& event) {
    record.add(event);
    return true;
  }));
  take(feed(*context, ids, position, Wanted::kNone));
  const auto* event = record.only(tap, tap == LLORCH_TAP_EMBED ? -1 : 0);
  BOOST_REQUIRE(event != nullptr);
  return event->tensor;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(checkpoint_01b_position, *utf::depends_on("checkpoint_01_norm") *
                                                   utf::description("position embeddings match the reference at 1e-5"))

BOOST_DATA_TEST_CASE(token_plus_position_embedding, all_models()) {
  check_tensors(loaded(sample), {LLORCH_TAP_EMBED}, Layers::kNone, sample.tolerances.embedding);
}

BOOST_DATA_TEST_CASE(positions_behind_a_chunk_are_those_of_the_prompt, all_models()) {
  ModelUnderTest& model = loaded(sample);
  const auto& c = model.reference_case("short");
  const auto* reference = c.find(LLORCH_TAP_EMBED, -1);
  BOOST_REQUIRE(reference != nullptr);
  const auto expected = take(llorch::checkpoint::read_npy(reference->file));
  const auto context = model.context();
  TapRecord record;
  succeed(context->set_tap(std::uint64_t{1} << LLORCH_TAP_EMBED, 0, 1, [&](const llorch_tap_event& event) {
    record.add(event);
    return true;
  }));
  take(feed(*context, c.prompt_ids, 0, Wanted::kNone, 0, 3));
  llorch::checkpoint::Tensor whole{{0, expected.dims[1]}, {}};
  for (const auto& event : record.all(LLORCH_TAP_EMBED, -1)) {
    whole.dims[0] += event.tensor.dims[0];
    whole.values.insert(whole.values.end(), event.tensor.values.begin(), event.tensor.values.end());
  }
  BOOST_TEST(matches(whole, expected, 1e-5));
}

BOOST_DATA_TEST_CASE(the_same_step_between_two_positions_is_added_to_every_token, all_models()) {
  const ModelUnderTest& model = loaded(sample);
  const auto last = static_cast<std::int32_t>(model.info().max_positions) - 1;
  const auto a0 = tapped(model, LLORCH_TAP_EMBED, {3}, 0);
  const auto a1 = tapped(model, LLORCH_TAP_EMBED, {3}, last);
  const auto b0 = tapped(model, LLORCH_TAP_EMBED, {77}, 0);
  auto b1 = tapped(model, LLORCH_TAP_EMBED, {77}, last);
  for (std::size_t i = 0; i < b1.values.size(); ++i)
    b1.values[i] -= a1.values[i] - a0.values[i];
  BOOST_TEST(matches(b1, b0, 1e-5));
}

BOOST_AUTO_TEST_CASE(there_is_no_rotated_query_or_key_to_tap) {
  ModelUnderTest& model = loaded(tested_models.front());
  BOOST_TEST((model.info().taps & (1ULL << LLORCH_TAP_Q_ROTATED | 1ULL << LLORCH_TAP_K_ROTATED)) == 0U);
  const auto set = model.context()->set_tap(1ULL << LLORCH_TAP_Q_ROTATED, 0, 1, [](const auto&) { return true; });
  BOOST_REQUIRE(!set);
  BOOST_TEST((set.error().code == llorch::ErrorCode::kUnsupported));
}

BOOST_AUTO_TEST_SUITE_END()
