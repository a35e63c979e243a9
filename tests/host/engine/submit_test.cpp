// What create() and submit() refuse, and with which words.
#include <limits>

#include "host/engine/harness.hpp"

using namespace llorch;
using namespace llorch::test;

BOOST_AUTO_TEST_SUITE(engine_submit)

BOOST_AUTO_TEST_CASE(bad_requests_are_refused_with_the_limit_and_the_value) {
  Harness h;
  h.options.context_length = 8;
  h.start();
  const auto with = [](auto change) {
    auto request = greedy(ids_of("abc"), 3);
    change(request);
    return request;
  };
  const struct {
    engine::Request request;
    std::string_view expected;
  } cases[] = {
      {greedy(ids_of("123456789"), 1), "prompt: expected at most 8 tokens (the context length), found 9"},
      {greedy({}, 1), "prompt: expected at least one token"},
      {greedy({1, 300}, 1), "prompt: expected token ids from 0 to 299, found 300 at index 1"},
      {greedy({-1}, 1), "found -1 at index 0"},
      {with([](auto& r) {
         r.stop = {"a", ""};
       }),
       "stop: expected non-empty strings"},
      {with([](auto& r) { r.sampling.top_p = 7; }), "top_p: expected a number from 0 to 1, found 7"},
      {with([](auto& r) {
         r.sampling.logit_bias = {{300, 1.0F}};
       }),
       "logit_bias: expected token ids from 0 to 299"},
  };
  for (const auto& c : cases) {
    const auto result = h.try_submit(c.request);
    BOOST_REQUIRE(!result);
    BOOST_TEST((result.error().code == ErrorCode::kInvalidArgument));
    BOOST_TEST(result.error().message.find(c.expected) != std::string::npos, result.error().message);
  }
  BOOST_TEST(h.model->calls().empty());
}

BOOST_AUTO_TEST_CASE(a_live_id_cannot_be_used_twice_but_a_finished_one_can) {
  Harness h;
  Gate gate;
  h.model->hook = [&](std::span<const FakeRow>) {
    gate.wait();
    return FakeAction::kCompute;
  };
  h.start();
  auto request = greedy(ids_of("x"), 2);
  request.id = "job";
  const auto first = h.submit(request);
  const auto second = h.try_submit(request);
  BOOST_REQUIRE(!second);
  BOOST_TEST(second.error().message.find("\"job\"") != std::string::npos);
  gate.open();
  first->wait();
  h.submit(request)->wait();
}

BOOST_AUTO_TEST_CASE(several_requests_are_taken_all_or_none) {
  Harness h;
  h.options.queue_limit = 2;
  Gate gate;
  h.model->hook = [&](std::span<const FakeRow>) {
    gate.wait();
    return FakeAction::kCompute;
  };
  h.start();
  const auto group = [](std::initializer_list<const char*> ids) {
    std::vector<std::pair<engine::Request, std::shared_ptr<engine::Listener>>> requests;
    std::vector<std::shared_ptr<Recorder>> recorders;
    for (const char* id : ids) {
      auto request = greedy(ids_of("x"), 2);
      request.id = id;
      recorders.push_back(std::make_shared<Recorder>());
      requests.emplace_back(std::move(request), recorders.back());
    }
    return std::pair(std::move(requests), std::move(recorders));
  };
  auto [too_many, never] = group({"a", "b", "c", "d"});
  const auto full = h.engine->submit(std::move(too_many));
  BOOST_REQUIRE(!full);
  BOOST_TEST((full.error().code == ErrorCode::kResourceExhausted));
  auto [twins, neither] = group({"a", "a"});
  BOOST_TEST((h.engine->submit(std::move(twins)).error().code == ErrorCode::kInvalidArgument));

  auto [fitting, recorders] = group({"a", "b", "c"});
  BOOST_TEST(h.engine->submit(std::move(fitting)).has_value());
  const auto fourth = h.try_submit(greedy(ids_of("y"), 1));
  BOOST_REQUIRE(!fourth);
  BOOST_TEST((fourth.error().code == ErrorCode::kResourceExhausted));
  gate.open();
  for (const auto& r : recorders) {
    r->wait();
  }
  for (const auto& r : never) {
    BOOST_TEST(!r->finished());
  }
  h.submit(greedy(ids_of("room again"), 1))->wait();
}

BOOST_AUTO_TEST_CASE(create_checks_options_against_the_model) {
  const auto create = [](engine::Options options, std::uint64_t caps = FakeModel::kAllCaps) {
    return engine::Engine::create(std::make_shared<FakeModel>(300, 64, caps), std::make_shared<FakeTokenizer>(),
                                  options);
  };
  const struct {
    engine::Options options;
    std::uint64_t caps;
    ErrorCode code;
    std::string_view expected;
  } cases[] = {
      {{.context_length = 65}, FakeModel::kAllCaps, ErrorCode::kInvalidArgument, "at most 64 (the model's), found 65"},
      {{.context_length = 1}, FakeModel::kAllCaps, ErrorCode::kInvalidArgument, "at least 2 tokens"},
      {{.slots = 0}, FakeModel::kAllCaps, ErrorCode::kInvalidArgument, "found 0, 512 and 1"},
      {{.slots = 2}, 0, ErrorCode::kUnsupported, "one sequence at a time"},
      {{.slots = 100'000'000}, FakeModel::kAllCaps, ErrorCode::kInvalidArgument, "6400000000"},
  };
  for (const auto& c : cases) {
    const auto result = create(c.options, c.caps);
    BOOST_REQUIRE(!result);
    BOOST_TEST((result.error().code == c.code));
    BOOST_TEST(result.error().message.find(c.expected) != std::string::npos, result.error().message);
  }
  BOOST_TEST(create({}).value()->context_length() == 64U);
  BOOST_TEST(create({.context_length = 2}).value()->context_length() == 2U);
}

BOOST_AUTO_TEST_CASE(create_asks_the_plugin_for_what_its_batches_need) {
  Harness h(300, 1024);
  h.options.slots = 3;
  h.options.context_length = 1000;
  h.options.batch_tokens = 256;
  h.options.threads = 2;
  h.start();
  const auto params = h.model->context_params();
  BOOST_TEST(params.max_tokens == 3000U);
  BOOST_TEST(params.max_seqs == 3U);
  BOOST_TEST(params.max_batch_tokens == 256U);
  BOOST_TEST(params.max_output_rows == 67U);
  BOOST_TEST(params.n_threads == 2U);
}

BOOST_AUTO_TEST_CASE(a_context_that_cannot_be_made_is_the_error_of_create) {
  auto model = std::make_shared<FakeModel>();
  model->refuse_context = make_error(ErrorCode::kOutOfMemory, "fake: 5 GiB wanted");
  const auto result = engine::Engine::create(model, std::make_shared<FakeTokenizer>(), {});
  BOOST_REQUIRE(!result);
  BOOST_TEST((result.error().code == ErrorCode::kOutOfMemory));
}

BOOST_AUTO_TEST_SUITE_END()
