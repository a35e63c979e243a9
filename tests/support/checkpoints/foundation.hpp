// Rung 0: the .so loads, says who it is, accepts the models it should and refuses others. (The running worker is tested
// in tests/e2e.)
#pragma once

#include "support/memory_source.hpp"
#include "tested_models.hpp"  // the plugin's own

namespace utf = boost::unit_test;
using namespace llorch::testing::checkpoints;  // NOLINT(google-build-using-namespace)

BOOST_AUTO_TEST_SUITE(checkpoint_00_foundation, *utf::description("the plugin loads and answers"))

BOOST_AUTO_TEST_CASE(the_plugin_says_who_it_is) {
  const auto info = take(llorch::plugin::Plugin::query(llorch::testing::plugin_path(plugin_name)));
  BOOST_TEST(info.id == plugin_name);
  BOOST_TEST(!info.version.empty());
  BOOST_TEST(info.abi_min == 1U);
}

BOOST_DATA_TEST_CASE(the_limits_are_those_of_the_file, all_models()) {
  const ModelUnderTest& model = loaded(sample);
  const auto& metadata = model.file().metadata();
  BOOST_TEST(model.info().max_positions == take(metadata.u64(architecture + ".context_length")));
  BOOST_TEST(model.info().n_layers == take(metadata.u64(architecture + ".block_count")));
  BOOST_TEST(model.info().kv_block_tokens >= 1U);
  constexpr std::uint64_t kEverything = LLORCH_CAP_MULTI_SEQ | LLORCH_CAP_MIXED_BATCH | LLORCH_CAP_KV_PARTIAL_REMOVE |
                                        LLORCH_CAP_KV_SHIFT | LLORCH_CAP_KV_SAVE | LLORCH_CAP_BATCH_INVARIANT;
  BOOST_TEST((model.info().caps & kEverything) == kEverything);
}

BOOST_DATA_TEST_CASE(a_forward_answers_with_finite_logits, all_models()) {
  const Rows rows = all_rows(loaded(sample), loaded(sample).reference().cases.front().prompt_ids);
  for (const auto& row : rows) {
    for (const float logit : row)
      BOOST_REQUIRE(std::isfinite(logit));
  }
}

BOOST_DATA_TEST_CASE(memory_in_use_is_within_the_estimate, all_models()) {
  const ModelUnderTest& model = loaded(sample);
  llorch::plugin::ContextParams params;
  params.max_tokens = model.info().max_positions;
  params.max_output_rows = 4;
  const auto estimate = take(model.plugin().estimate_memory(model.file().source(), params));
  const auto context = take(model.model().create_context(params));
  const auto used = take(context->memory_usage());
  BOOST_TEST(used.total() <= estimate.total());
  BOOST_TEST(estimate.total() <= used.total() * 11 / 10 + 65536,
             "the estimate is not close: " << estimate.total() << " bytes, in use " << used.total());
  BOOST_TEST(used.weights > 0U);
  BOOST_TEST(used.kv > 0U);
}

BOOST_AUTO_TEST_CASE(another_architecture_is_refused_by_name) {
  llorch::testing::MemorySource source;
  llorch::testing::MemorySource::make_tiny(source, 11, 4, 16);
  const auto plugin = take(llorch::plugin::Plugin::load(llorch::testing::plugin_path(plugin_name)));
  const auto info = plugin->probe(source.source());
  BOOST_REQUIRE(!info);
  BOOST_TEST((info.error().code == llorch::ErrorCode::kUnsupported));
  BOOST_TEST(info.error().message.find("tiny") != std::string::npos, info.error().message);
}

BOOST_AUTO_TEST_CASE(a_context_without_room_is_refused) {
  llorch::plugin::ContextParams params;
  params.max_tokens = 0;
  const auto context = loaded(tested_models.front()).model().create_context(params);
  BOOST_REQUIRE(!context);
  BOOST_TEST((context.error().code == llorch::ErrorCode::kInvalidArgument));
  BOOST_TEST(context.error().message.find("max_tokens") != std::string::npos, context.error().message);
}

BOOST_AUTO_TEST_SUITE_END()
