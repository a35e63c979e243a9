// What every plugin must hold at the edges: lengths, chunks, neighbours, broken batches. Bit for bit.
#pragma once

#include "tested_models.hpp"  // the plugin's own

namespace utf = boost::unit_test;
using namespace llorch::testing::checkpoints;  // NOLINT(google-build-using-namespace)
using llorch::ErrorCode;

namespace {

/// One batch of several sequences: all their rows, sequence after sequence.
struct MixedBatch {
  std::vector<std::int32_t> tokens, positions, seqs;
  std::vector<std::uint32_t> flags;
  void add(std::int32_t seq, std::span<const std::int32_t> ids, std::int32_t position) {
    for (const std::int32_t id : ids) {
      tokens.push_back(id);
      positions.push_back(position++);
      seqs.push_back(seq);
      flags.push_back(LLORCH_OUTPUT_LOGITS);
    }
  }
  Rows run(llorch::plugin::Context& context) const {
    const auto output = take(context.forward(tokens, positions, seqs, flags));
    Rows out;
    for (std::uint32_t row = 0; row < output.n_rows; ++row) {
      out.emplace_back(output.row(row).begin(), output.row(row).end());
    }
    return out;
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(edge_cases, *utf::depends_on("checkpoint_03_kv_cache"))

BOOST_DATA_TEST_CASE(a_single_token_is_a_prompt, all_caches()) {
  ModelUnderTest& model = loaded(sample);
  BOOST_TEST(all_rows(model, some_ids(1, model.info().vocab_size)).size() == 1U);
}

BOOST_DATA_TEST_CASE(a_prompt_of_the_whole_context_in_one_call_and_in_chunks, all_caches()) {
  ModelUnderTest& model = loaded(sample);
  const auto ids = some_ids(model.info().max_positions, model.info().vocab_size);
  const Rows whole = all_rows(model, ids);
  for (const std::uint32_t chunk : {7U, 32U}) {
    BOOST_TEST(same_bytes(take(feed(*model.context(), ids, 0, Wanted::kAll, 0, chunk)), whole));
  }
}

BOOST_DATA_TEST_CASE(one_past_the_context_is_a_clear_error_and_leaves_the_state_untouched, all_caches()) {
  ModelUnderTest& model = loaded(sample);
  const auto limit = static_cast<std::int32_t>(model.info().max_positions);
  const auto ids = some_ids(static_cast<std::size_t>(limit) + 1, model.info().vocab_size);
  const auto context = model.context();
  const auto too_long = feed(*context, ids, 0, Wanted::kLast);
  BOOST_REQUIRE(!too_long);
  BOOST_TEST((too_long.error().code == ErrorCode::kInvalidArgument));
  BOOST_TEST(too_long.error().message.find(std::to_string(limit)) != std::string::npos, too_long.error().message);
  BOOST_TEST(!take(context->kv_seq_range(0)).has_value());

  take(feed(*context, std::span(ids).first(static_cast<std::size_t>(limit)), 0, Wanted::kNone));
  const Snapshot before = Snapshot::of(*context);
  const auto one_more = feed(*context, std::span(ids).last(1), limit, Wanted::kLast);
  BOOST_REQUIRE(!one_more);
  BOOST_TEST((one_more.error().code == ErrorCode::kInvalidArgument));
  BOOST_TEST((Snapshot::of(*context) == before));
}

BOOST_DATA_TEST_CASE(two_interleaved_sequences_give_the_bytes_of_each_alone, all_caches()) {
  ModelUnderTest& model = loaded(sample);
  const auto a = some_ids(25, model.info().vocab_size, 1);
  const auto b = some_ids(25, model.info().vocab_size, 2);
  const auto context = model.context(2);
  Rows rows_a;
  Rows rows_b;
  for (std::int32_t i = 0; i < 25; ++i) {  // a token of each in turn, in calls of their own
    const auto at = static_cast<std::size_t>(i);
    rows_a.push_back(take(feed(*context, std::span(a).subspan(at, 1), i, Wanted::kLast, 0)).back());
    rows_b.push_back(take(feed(*context, std::span(b).subspan(at, 1), i, Wanted::kLast, 1)).back());
  }
  BOOST_TEST(same_bytes(rows_a, all_rows(model, a)));
  BOOST_TEST(same_bytes(rows_b, all_rows(model, b)));
}

BOOST_DATA_TEST_CASE(neighbours_in_a_batch_change_no_byte, all_caches()) {
  ModelUnderTest& model = loaded(sample);
  const std::size_t lengths[] = {1, 17, 5, 30, 2};  // prefill and decode in one batch
  const auto context = model.context(5);
  MixedBatch batch;
  Rows expected;
  for (std::int32_t seq = 4; seq >= 0; --seq) {
    const auto ids = some_ids(lengths[seq], model.info().vocab_size, static_cast<std::uint32_t>(seq) + 1);
    const Rows alone = all_rows(model, ids);
    std::size_t cached = 0;
    if (seq == 1) {  // this one has 16 positions in the cache already
      cached = 16;
      take(feed(*context, std::span(ids).first(cached), 0, Wanted::kNone, seq));
    }
    batch.add(seq, std::span(ids).subspan(cached), static_cast<std::int32_t>(cached));
    expected.insert(expected.end(), alone.begin() + static_cast<std::ptrdiff_t>(cached), alone.end());
  }
  BOOST_TEST(same_bytes(batch.run(*context), expected));
}

BOOST_DATA_TEST_CASE(taps_change_no_byte, all_caches()) {
  ModelUnderTest& model = loaded(sample);
  const auto ids = some_ids(23, model.info().vocab_size);
  const auto context = model.context();
  succeed(context->set_tap(model.info().taps, 0, 100, [](const llorch_tap_event&) { return true; }));
  BOOST_TEST(same_bytes(take(feed(*context, ids, 0, Wanted::kAll)), all_rows(model, ids)));
}

BOOST_DATA_TEST_CASE(a_broken_batch_is_refused_and_leaves_the_state_untouched, all_caches()) {
  ModelUnderTest& model = loaded(sample);
  const auto context = model.context(2);
  take(feed(*context, some_ids(5, 211), 0, Wanted::kNone));
  const Snapshot before = Snapshot::of(*context);
  const auto vocab = static_cast<std::int32_t>(model.info().vocab_size);
  struct Broken {
    const char* what;
    std::vector<std::int32_t> tokens, positions, seqs;
    std::vector<std::uint32_t> flags;
    ErrorCode code = ErrorCode::kInvalidArgument;
  };
  const std::vector<Broken> all = {
      {"no rows", {}, {}, {}, {}},
      {"token -1", {-1}, {5}, {0}, {1}},
      {"token = vocabulary", {vocab}, {5}, {0}, {1}},
      {"sequence -1", {1}, {0}, {-1}, {1}},
      {"sequence = max_seqs", {1}, {0}, {2}, {1}},
      {"position behind the end", {1}, {6}, {0}, {1}},
      {"position that is held", {1}, {4}, {0}, {1}},
      {"position -1", {1}, {-1}, {1}, {1}},
      {"position beyond the context", {1}, {static_cast<std::int32_t>(model.info().max_positions)}, {1}, {1}},
      {"a gap", {1, 2}, {5, 7}, {0, 0}, {0, 1}},
      {"descending", {1, 2}, {6, 5}, {0, 0}, {0, 1}},
      {"a sequence torn apart", {1, 2, 3}, {5, 0, 6}, {0, 1, 0}, {0, 0, 1}},
      {"bad row after good ones", {1, 2, vocab}, {5, 6, 7}, {0, 0, 0}, {1, 1, 1}},
      {"unknown flag", {1}, {5}, {0}, {2}, ErrorCode::kUnsupported},
  };
  for (const Broken& broken : all) {
    const auto result = context->forward(broken.tokens, broken.positions, broken.seqs, broken.flags);
    BOOST_REQUIRE_MESSAGE(!result, broken.what << " was accepted");
    BOOST_TEST((result.error().code == broken.code), broken.what << ": " << result.error().message);
    BOOST_TEST((Snapshot::of(*context) == before), broken.what << " changed the state");
  }
}

BOOST_AUTO_TEST_CASE(more_rows_than_the_context_was_made_for_are_refused) {
  ModelUnderTest& model = loaded(tested_models.front());
  llorch::plugin::ContextParams params;
  params.max_tokens = 40;
  params.max_batch_tokens = 4;
  params.max_output_rows = 2;
  const auto context = take(model.model().create_context(params));
  const auto ids = some_ids(5, 211);
  const auto too_many = feed(*context, ids, 0, Wanted::kNone);
  BOOST_REQUIRE(!too_many);
  BOOST_TEST((too_many.error().code == ErrorCode::kInvalidArgument), too_many.error().message);
  const auto too_many_outputs = feed(*context, std::span(ids).first(3), 0, Wanted::kAll);
  BOOST_REQUIRE(!too_many_outputs);
  BOOST_TEST((too_many_outputs.error().code == ErrorCode::kInvalidArgument), too_many_outputs.error().message);
  BOOST_TEST(!take(context->kv_seq_range(0)).has_value());
}

BOOST_AUTO_TEST_CASE(an_empty_sequence_may_begin_at_any_position) {
  ModelUnderTest& model = loaded(tested_models.front());
  const auto context = model.context();
  take(feed(*context, some_ids(3, 211), 20, Wanted::kLast));
  BOOST_TEST((take(context->kv_seq_range(0)) == std::pair<std::int32_t, std::int32_t>{20, 22}));
}

BOOST_AUTO_TEST_SUITE_END()
