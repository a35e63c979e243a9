// Plugins that fail: the request that is hit gets a clear error, the others go on.
#include <atomic>

#include "host/engine/harness.hpp"

using namespace llorch;
using namespace llorch::test;
using engine::StopReason;

BOOST_AUTO_TEST_SUITE(engine_faults)

BOOST_AUTO_TEST_CASE(one_bad_request_gets_its_error_and_its_successor_is_served) {
  const struct {
    FakeAction action;
    ErrorCode code;
    std::string_view message;
  } cases[] = {
      {FakeAction::kNoKvSpace, ErrorCode::kResourceExhausted, "no KV space"},
      {FakeAction::kDeviceError, ErrorCode::kIo, "device error"},
      {FakeAction::kInternal, ErrorCode::kInternal, "internal error"},
      {FakeAction::kHalfWritten, ErrorCode::kInternal, "rows written"},
      {FakeAction::kNan, ErrorCode::kInternal, "NaN"},
      {FakeAction::kWrongRows, ErrorCode::kInternal, "0 rows"},
      {FakeAction::kThrow, ErrorCode::kInternal, "thrown"},
      {FakeAction::kCancelled, ErrorCode::kInternal, "nobody cancelled"},
  };
  for (const auto& c : cases) {
    for (const std::int32_t at : {0, 2}) {  // in the prompt, and while decoding
      Harness h;
      h.model->next_token = script(3, ids_of("?!"));
      h.model->hook = [&](std::span<const FakeRow> rows) {
        const bool hit = at == 0 ? holds(rows, 'B') : holds(rows, '!');
        return hit ? c.action : FakeAction::kCompute;
      };
      h.start();
      const auto bad = h.submit(greedy(ids_of(at == 0 ? "xBx" : "xxx"), 9));
      const auto finish = bad->wait();
      BOOST_TEST_CONTEXT(c.message << " at " << at) {
        BOOST_TEST((finish.reason == StopReason::kError));
        BOOST_REQUIRE(finish.error);
        BOOST_TEST((finish.error->code == c.code));
        BOOST_TEST(finish.error->message.find(c.message) != std::string::npos, finish.error->message);
        BOOST_TEST(finish.completion_tokens == (at == 0 ? 0U : 2U));
        BOOST_TEST(h.model->kv_tokens() == 0U);
        BOOST_TEST(h.engine->healthy());
        auto good = greedy(ids_of("good"), 1);
        const auto r = h.submit(good);
        BOOST_TEST((r->wait().reason == StopReason::kMaxTokens));
        BOOST_TEST(r->ids() == generate_alone(*h.model, good), boost::test_tools::per_element());
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(the_neighbours_of_a_failing_request_get_their_whole_text) {
  for (const FakeAction action :
       {FakeAction::kNoKvSpace, FakeAction::kDeviceError, FakeAction::kInternal, FakeAction::kHalfWritten}) {
    Harness h;
    h.options.slots = 3;
    Gate all_queued;
    h.model->hook = [&](std::span<const FakeRow> rows) {
      all_queued.wait();
      const bool hit =
          std::any_of(rows.begin(), rows.end(), [](const FakeRow& r) { return r.token == 'B' && r.position == 2; });
      return hit ? action : FakeAction::kCompute;
    };
    h.start();
    auto scored = greedy(ids_of("a prompt that is scored"), 20);
    scored.prompt_logprobs = true;
    const auto plain = greedy(ids_of("plain"), 30);
    const auto a = h.submit(plain);
    const auto b = h.submit(greedy(ids_of("xxBxx"), 5));
    const auto c = h.submit(scored);
    all_queued.open();
    BOOST_TEST((b->wait().reason == StopReason::kError));
    BOOST_TEST((a->wait().reason == StopReason::kMaxTokens));
    BOOST_TEST((c->wait().reason == StopReason::kMaxTokens));
    BOOST_TEST(a->ids() == generate_alone(*h.model, plain), boost::test_tools::per_element());
    BOOST_TEST(c->ids() == generate_alone(*h.model, scored), boost::test_tools::per_element());
    BOOST_TEST(c->scores()->size() == scored.prompt.size() - 1);
    BOOST_TEST(h.engine->healthy());
  }
}

BOOST_AUTO_TEST_CASE(nan_in_one_row_fails_only_the_sequence_of_that_row) {
  Harness h;
  h.options.slots = 2;
  Gate both_queued;
  h.model->hook = [&](std::span<const FakeRow> rows) {
    both_queued.wait();
    // The fake poisons the last output row of a batch.
    return rows.front().seq != rows.back().seq && rows.back().token == 'B' ? FakeAction::kNan : FakeAction::kCompute;
  };
  h.start();
  const auto plain = greedy(ids_of("plain"), 40);
  const auto a = h.submit(plain);
  const auto b = h.submit(greedy(ids_of("xxB"), 5));
  both_queued.open();
  const auto finish = b->wait();
  BOOST_TEST((finish.reason == StopReason::kError));
  BOOST_REQUIRE(finish.error);
  BOOST_TEST(finish.error->message.find("NaN for token 299") != std::string::npos, finish.error->message);
  BOOST_TEST((a->wait().reason == StopReason::kMaxTokens));
  BOOST_TEST(a->ids() == generate_alone(*h.model, plain), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(nan_in_a_scored_prompt_is_an_error_that_names_the_place) {
  Harness h;
  h.model->hook = [](std::span<const FakeRow>) { return FakeAction::kNan; };
  h.start();
  auto request = greedy(ids_of("score"), 0);
  request.prompt_logprobs = true;
  const auto finish = h.submit(request)->wait();
  BOOST_TEST((finish.reason == StopReason::kError));
  BOOST_REQUIRE(finish.error);
  BOOST_TEST(finish.error->message.find("prompt token 3") != std::string::npos, finish.error->message);
}

BOOST_AUTO_TEST_CASE(two_failed_steps_in_a_row_take_the_engine_out_of_service) {
  Harness h;
  Gate all_queued;
  std::atomic<int> calls = 0;
  h.model->hook = [&](std::span<const FakeRow>) {
    all_queued.wait();
    return ++calls > 3 ? FakeAction::kDeviceError : FakeAction::kCompute;
  };
  h.start();
  const auto running = h.submit(greedy(ids_of("x"), 60));
  const auto waiting = h.submit(greedy(ids_of("y"), 3));
  const auto last = h.submit(greedy(ids_of("z"), 3));
  all_queued.open();
  const auto first = running->wait();
  BOOST_TEST((first.reason == StopReason::kError));
  BOOST_TEST((first.error->code == ErrorCode::kIo));
  BOOST_TEST(first.completion_tokens == 3U);
  BOOST_TEST((waiting->wait().reason == StopReason::kError));
  const auto never_ran = last->wait();
  BOOST_TEST((never_ran.reason == StopReason::kError));
  BOOST_TEST((never_ran.error->code == ErrorCode::kUnavailable));
  BOOST_TEST(!h.engine->healthy());
  const auto refused = h.try_submit(greedy(ids_of("late"), 3));
  BOOST_REQUIRE(!refused);
  BOOST_TEST((refused.error().code == ErrorCode::kUnavailable));
}

BOOST_AUTO_TEST_CASE(device_errors_with_success_between_them_are_survived) {
  Harness h;
  std::atomic<int> calls = 0;
  h.model->hook = [&](std::span<const FakeRow>) {
    return ++calls % 3 == 0 ? FakeAction::kDeviceError : FakeAction::kCompute;
  };
  h.start();
  for (int i = 0; i < 6; ++i) {
    h.submit(greedy(ids_of("x"), 9))->wait();
  }
  BOOST_TEST(h.engine->healthy());
}

BOOST_AUTO_TEST_SUITE_END()
