// KV of finished requests, reused by prompts that begin alike.
#include "host/engine/harness.hpp"

using namespace llorch;
using namespace llorch::test;

namespace {

std::vector<std::int32_t> joined(std::vector<std::int32_t> a, const std::vector<std::int32_t>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(engine_prefix_reuse)

BOOST_AUTO_TEST_CASE(the_next_turn_of_a_talk_computes_only_what_is_new) {
  Harness h(300, 256);
  h.start();
  auto request = greedy(ids_of("The first turn of a talk."), 12);
  const auto first = h.submit(request);
  BOOST_TEST(first->wait().cached_tokens == 0U);
  const std::size_t calls = h.model->calls().size();

  auto next = greedy(joined(joined(request.prompt, first->ids()), ids_of(" And then?")), 8);
  const auto second = h.submit(next);
  const auto finish = second->wait();
  // All of the first turn is there but its last token, which was sampled and never fed.
  BOOST_TEST(finish.cached_tokens == request.prompt.size() + 11);
  BOOST_TEST(finish.prompt_tokens == next.prompt.size());
  BOOST_TEST(h.model->calls()[calls].size() == 1 + ids_of(" And then?").size());
  BOOST_TEST(second->ids() == generate_alone(*h.model, next), boost::test_tools::per_element());
  BOOST_TEST(h.engine->stats().cached_tokens_total == finish.cached_tokens);
}

BOOST_AUTO_TEST_CASE(the_same_prompt_again_computes_its_last_token_only) {
  Harness h;
  h.start();
  const auto request = greedy(ids_of("the same prompt"), 10);
  const auto first = h.submit(request);
  first->wait();
  const auto second = h.submit(request);
  BOOST_TEST(second->wait().cached_tokens == request.prompt.size() - 1);
  BOOST_TEST(second->ids() == first->ids(), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(every_length_of_a_shared_prefix_gives_the_same_text) {
  Harness h;
  h.start();
  const auto base = ids_of("abcdefghijklmnopqrstuvwxyz");
  std::uint32_t reused = 0;
  for (std::size_t shared = 0; shared <= base.size(); ++shared) {
    h.submit(greedy(base, 5))->wait();
    const auto request =
        greedy(joined({base.begin(), base.begin() + static_cast<std::ptrdiff_t>(shared)}, ids_of("!?")), 5);
    const auto r = h.submit(request);
    reused += r->wait().cached_tokens > 0 ? 1U : 0U;
    BOOST_TEST(r->ids() == generate_alone(*h.model, request), boost::test_tools::per_element());
  }
  BOOST_TEST(reused >= 15U);
}

BOOST_AUTO_TEST_CASE(each_talk_finds_its_own_slot_again) {
  Harness h(300, 128);
  h.options.slots = 3;
  h.start();
  std::vector<std::vector<std::int32_t>> talks{ids_of("talk number one"), ids_of("another talk, two"),
                                               ids_of("3rd talk: three")};
  for (int turn = 0; turn < 3; ++turn) {
    for (auto& talk : talks) {
      const auto request = greedy(talk, 6);
      const auto r = h.submit(request);
      const auto finish = r->wait();
      BOOST_TEST((turn == 0) == (finish.cached_tokens == 0));
      BOOST_TEST(r->ids() == generate_alone(*h.model, request), boost::test_tools::per_element());
      talk = joined(joined(talk, r->ids()), ids_of(" and"));
    }
  }
}

BOOST_AUTO_TEST_CASE(the_prefix_of_a_cancelled_request_is_reused_too) {
  Harness h(300, 128);
  std::atomic<bool> block = true;
  h.model->hook = [&](std::span<const FakeRow> rows) {
    return block && rows.front().position == 20 ? FakeAction::kWaitForCancel : FakeAction::kCompute;
  };
  h.start();
  auto request = greedy(ids_of("a prompt of so"), 50);
  request.id = "gone";
  const auto first = h.submit(request);
  first->wait_for_tokens(7);
  BOOST_TEST(h.engine->cancel("gone"));
  BOOST_TEST((first->wait().reason == engine::StopReason::kCancelled));
  block = false;
  request.id = "again";
  const auto second = h.submit(request);
  BOOST_TEST(second->wait().cached_tokens == request.prompt.size() - 1);
  BOOST_TEST(second->ids() == generate_alone(*h.model, request), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_plugin_that_is_not_bit_exact_or_cannot_remove_a_part_gets_no_reuse) {
  for (const std::uint64_t missing :
       {std::uint64_t{LLORCH_CAP_BATCH_INVARIANT}, std::uint64_t{LLORCH_CAP_KV_PARTIAL_REMOVE}, std::uint64_t{0}}) {
    Harness h(300, 64, FakeModel::kAllCaps & ~missing);
    h.options.reuse_prefix = missing != 0;
    h.start();
    const auto request = greedy(ids_of("the same prompt"), 10);
    h.submit(request)->wait();
    BOOST_TEST(h.model->kv_tokens() == 0U);  // freed at the end
    const auto second = h.submit(request);
    BOOST_TEST(second->wait().cached_tokens == 0U);
    BOOST_TEST(second->ids() == generate_alone(*h.model, request), boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(a_prompt_to_be_scored_is_computed_whole) {
  Harness h;
  h.start();
  auto request = greedy(ids_of("score this prompt"), 3);
  h.submit(request)->wait();
  request.prompt_logprobs = true;
  const auto r = h.submit(request);
  BOOST_TEST(r->wait().cached_tokens == 0U);
  BOOST_TEST(r->scores()->size() == request.prompt.size() - 1);
}

BOOST_AUTO_TEST_CASE(a_request_for_no_token_after_the_same_prompt_ends_without_computing_anything) {
  Harness h;
  h.start();
  auto request = greedy(ids_of("nothing more than this prompt"), 3);
  h.submit(request)->wait();
  const auto calls = h.model->calls().size();
  request.max_tokens = 0;
  const auto r = h.submit(request);
  const auto finish = r->wait();
  BOOST_TEST((finish.reason == llorch::engine::StopReason::kMaxTokens));
  BOOST_TEST(finish.completion_tokens == 0U);
  BOOST_TEST(h.model->calls().size() == calls);
}

BOOST_AUTO_TEST_CASE(what_is_kept_gives_way_when_the_cache_is_full) {
  Harness h;
  h.options.slots = 2;
  std::atomic<int> refusals = 0;
  FakeModel& model = *h.model;
  h.model->hook = [&](std::span<const FakeRow> rows) {
    // A cache smaller than promised: no room for the second talk while the first one's remains are kept.
    const bool full = rows.front().token == 'B' && model.kv_tokens() > 10;
    refusals += full ? 1 : 0;
    return full ? FakeAction::kNoKvSpace : FakeAction::kCompute;
  };
  h.start();
  h.submit(greedy(ids_of("A talk that is kept"), 4))->wait();
  BOOST_TEST(h.model->kv_tokens() > 10U);
  const auto request = greedy(ids_of("B needs room"), 4);
  const auto r = h.submit(request);
  BOOST_TEST((r->wait().reason == engine::StopReason::kMaxTokens));
  BOOST_TEST(refusals == 1);
  BOOST_TEST(r->ids() == generate_alone(*h.model, request), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
