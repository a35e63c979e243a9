// The number of threads and repetition change no byte. Without a rung below: ThreadSanitizer runs this suite alone.
#pragma once

#include "tested_models.hpp"  // the plugin's own

using namespace llorch::testing::checkpoints;  // NOLINT(google-build-using-namespace)

BOOST_AUTO_TEST_SUITE(threads)

BOOST_DATA_TEST_CASE(two_threads_and_more_give_the_bytes_of_one, all_caches()) {
  ModelUnderTest& model = loaded(sample);
  const auto ids = some_ids(39, model.info().vocab_size);
  const Rows one = all_rows(model, ids, 1);
  for (const std::uint32_t threads : {2U, 3U}) {
    BOOST_TEST_CONTEXT(threads << " threads") {
      BOOST_TEST(same_bytes(all_rows(model, ids, threads), one));
      BOOST_TEST(same_bytes(take(feed(*model.context(1, threads), ids, 0, Wanted::kAll, 0, 1)), one));
    }
  }
}

BOOST_DATA_TEST_CASE(many_runs_give_the_same_bytes, all_caches()) {
  ModelUnderTest& model = loaded(sample);
  const auto ids = some_ids(19, model.info().vocab_size);
  const auto context = model.context(1, 2);
  const Rows first = take(feed(*context, ids, 0, Wanted::kAll));
  for (int run = 1; run < kRepetitions; ++run) {
    succeed(context->kv_seq_remove(0, -1, -1));
    BOOST_REQUIRE_MESSAGE(same_bytes(take(feed(*context, ids, 0, Wanted::kAll)), first), "run " << run << " differs");
  }
}

BOOST_AUTO_TEST_SUITE_END()
