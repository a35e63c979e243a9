// What a request gets when nothing goes wrong.
#include "host/engine/harness.hpp"

using namespace llorch;
using namespace llorch::test;
using engine::StopReason;

namespace {

constexpr std::int32_t kFirst = FakeTokenizer::kFirstString;

std::vector<std::int32_t> some_prompt(std::size_t size, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::int32_t> prompt(size);
  for (auto& t : prompt) {
    t = static_cast<std::int32_t>(random() % 256);
  }
  return prompt;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(engine_generate)

BOOST_AUTO_TEST_CASE(tokens_are_those_of_the_model_and_the_sampler_alone) {
  Harness h;
  h.start();
  auto warm = greedy(ids_of("seeded"), 20);
  warm.sampling = {.temperature = 0.9F, .top_k = 50, .top_p = 0.95F, .repetition_penalty = 1.1F, .seed = 5};
  for (const engine::Request& request : {greedy(ids_of("Once"), 20), warm}) {
    const auto r = h.submit(request);
    const auto finish = r->wait();
    BOOST_TEST((finish.reason == StopReason::kMaxTokens));
    BOOST_TEST(!finish.error);
    BOOST_TEST(finish.prompt_tokens == request.prompt.size());
    BOOST_TEST(finish.completion_tokens == 20U);
    BOOST_TEST(r->ids() == generate_alone(*h.model, request), boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(results_depend_on_neither_neighbours_nor_chunks_nor_slots) {
  std::vector<engine::Request> requests;
  for (std::size_t i = 0; i < 9; ++i) {
    auto request = greedy(some_prompt(1 + i * 5, i), static_cast<std::uint32_t>(3 + i));
    request.sampling.temperature = i % 2 == 0 ? 0.0F : 1.0F;
    request.sampling.seed = i;
    request.prompt_logprobs = i % 3 == 0;
    requests.push_back(request);
  }
  constexpr std::uint64_t kNotMixed = FakeModel::kAllCaps & ~std::uint64_t{LLORCH_CAP_MIXED_BATCH};
  for (const std::uint64_t caps : {FakeModel::kAllCaps, kNotMixed}) {
    for (const std::uint32_t slots : {1U, 2U, 4U, 9U}) {
      for (const std::uint32_t batch_tokens : {1U, 3U, 16U, 512U}) {
        Harness h(300, 64, caps);
        h.options.slots = slots;
        h.options.batch_tokens = batch_tokens;
        h.start();
        std::vector<std::shared_ptr<Recorder>> recorders;
        for (const auto& request : requests) {
          recorders.push_back(h.submit(request));
        }
        for (std::size_t i = 0; i < requests.size(); ++i) {
          BOOST_TEST_CONTEXT("request " << i << ", slots " << slots << ", batch " << batch_tokens) {
            BOOST_TEST((recorders[i]->wait().reason == StopReason::kMaxTokens));
            BOOST_TEST(recorders[i]->ids() == generate_alone(*h.model, requests[i]), boost::test_tools::per_element());
          }
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(long_prompts_come_in_chunks_and_do_not_stall_those_who_decode) {
  Harness h;
  h.options.slots = 2;
  h.options.batch_tokens = 8;
  Gate both_queued;
  h.model->hook = [&](std::span<const FakeRow>) {
    both_queued.wait();
    return FakeAction::kCompute;
  };
  h.start();
  const auto writer = h.submit(greedy(ids_of("w"), 40));
  const auto reader = h.submit(greedy(some_prompt(48, 1), 2));
  both_queued.open();
  writer->wait();
  reader->wait();
  for (const auto& rows : h.model->calls()) {
    BOOST_TEST(rows.size() <= 8U);
  }
  // Every call while both ran had a row of the writer in it: seven rows a call are left for the prompt.
  const auto calls = h.model->calls();
  const auto has = [](const std::vector<FakeRow>& rows, std::int32_t seq) {
    return std::any_of(rows.begin(), rows.end(), [&](const FakeRow& r) { return r.seq == seq; });
  };
  const auto writer_seq = calls.front().front().seq;
  int together = 0;
  for (const auto& rows : calls) {
    together += has(rows, writer_seq) && has(rows, 1 - writer_seq) ? 1 : 0;
  }
  BOOST_TEST(together >= 7);
}

BOOST_AUTO_TEST_CASE(requests_run_in_the_order_of_arrival) {
  Harness h;
  std::mutex mutex;
  std::vector<std::int32_t> order;
  h.model->hook = [&](std::span<const FakeRow> rows) {
    const std::lock_guard lock(mutex);
    if (rows.front().position == 0) order.push_back(rows.front().token);
    return FakeAction::kCompute;
  };
  h.start();
  std::vector<std::shared_ptr<Recorder>> recorders;
  for (const char* c : {"a", "b", "c", "d"}) {
    recorders.push_back(h.submit(greedy(ids_of(c), 3)));
  }
  for (const auto& r : recorders) {
    r->wait();
  }
  BOOST_TEST(order == ids_of("abcd"), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_end_token_ends_the_text_and_is_not_part_of_it) {
  Harness h;
  h.model->next_token = script(1, {'H', 'i', FakeTokenizer::kEos});
  h.start();
  auto request = greedy(ids_of("x"), 10);
  request.ignore_eos = false;
  auto r = h.submit(request);
  const auto finish = r->wait();
  BOOST_TEST((finish.reason == StopReason::kEos));
  BOOST_TEST(finish.completion_tokens == 2U);
  BOOST_TEST(r->text() == "Hi");
  request.ignore_eos = true;
  r = h.submit(request);
  BOOST_TEST((r->wait().reason == StopReason::kMaxTokens));
  BOOST_TEST(r->text() == "Hi.......");  // ten tokens, of which the special one shows nothing
  BOOST_TEST(r->ids().size() == 10U);
}

BOOST_AUTO_TEST_CASE(stop_strings_match_across_tokens_and_are_cut_off) {
  Harness h;
  h.strings = {"Hel", "lo wo", "rld", " END", "OF", " TEXT"};
  h.model->next_token = script(1, {kFirst, kFirst + 1, kFirst + 2, kFirst + 3, kFirst + 4, kFirst + 5});
  h.start();
  auto request = greedy(ids_of("x"), 20);
  request.stop = {"zzz", "ENDOF T"};
  const auto r = h.submit(request);
  const auto finish = r->wait();
  BOOST_TEST((finish.reason == StopReason::kStopSequence));
  BOOST_TEST(finish.stop_sequence == "ENDOF T");
  BOOST_TEST(r->text() == "Hello world ");
  BOOST_TEST(finish.completion_tokens == 6U);
}

BOOST_AUTO_TEST_CASE(the_beginning_of_a_stop_string_that_does_not_come_is_part_of_the_answer) {
  Harness h;
  h.strings = {"abc", "##"};
  h.model->next_token = script(1, {kFirst, kFirst + 1});
  h.start();
  auto request = greedy(ids_of("x"), 2);
  request.stop = {"###"};
  const auto r = h.submit(request);
  const auto finish = r->wait();
  BOOST_TEST((finish.reason == StopReason::kMaxTokens));
  BOOST_TEST(finish.text == "##");
  BOOST_TEST(r->text() == "abc##");
}

BOOST_AUTO_TEST_CASE(characters_are_whole_even_when_tokens_are_not) {
  Harness h;
  h.strings = {"\xF0\x9F", "\x98\x80!", "\xE2\x82"};  // an emoji in two tokens, then a euro sign without its end
  h.model->next_token = script(1, {kFirst, kFirst + 1, kFirst + 2});
  h.start();
  const auto r = h.submit(greedy(ids_of("x"), 3));
  const auto finish = r->wait();
  const auto tokens = r->tokens();
  BOOST_TEST(tokens[0].text == "");
  BOOST_TEST(tokens[1].text == "\xF0\x9F\x98\x80!");
  BOOST_TEST(tokens[2].text == "");
  BOOST_TEST(finish.text == "\xEF\xBF\xBD");
}

BOOST_AUTO_TEST_CASE(a_stop_string_inside_a_character_still_leaves_whole_utf8) {
  Harness h;
  h.strings = {"a\xF0\x9F\x98\x80"};
  h.model->next_token = script(1, {kFirst});
  h.start();
  auto request = greedy(ids_of("x"), 5);
  request.stop = {"\x98\x80"};
  const auto r = h.submit(request);
  BOOST_TEST((r->wait().reason == StopReason::kStopSequence));
  BOOST_TEST(r->text() == "a\xEF\xBF\xBD");
}

BOOST_AUTO_TEST_CASE(a_full_context_ends_the_answer) {
  Harness h;
  h.options.context_length = 10;
  h.start();
  const auto r = h.submit(greedy(some_prompt(6, 2), 100));
  const auto finish = r->wait();
  BOOST_TEST((finish.reason == StopReason::kContextFull));
  BOOST_TEST(finish.completion_tokens == 5U);  // the fifth has no position left to be fed at
}

BOOST_AUTO_TEST_CASE(a_prompt_as_long_as_the_context_yields_one_token) {
  Harness h;
  h.options.context_length = 10;
  h.options.batch_tokens = 4;
  h.start();
  const auto request = greedy(some_prompt(10, 3), 100);
  const auto r = h.submit(request);
  BOOST_TEST((r->wait().reason == StopReason::kContextFull));
  auto one = request;
  one.max_tokens = 1;
  BOOST_TEST(r->ids() == generate_alone(*h.model, one), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(log_probabilities_are_those_of_the_raw_logits) {
  Harness h;
  h.start();
  auto request = greedy(some_prompt(5, 9), 4);
  request.logprobs = 3;
  request.sampling.temperature = 0.5F;
  request.sampling.logit_bias = {{7, 20.0F}};
  const auto r = h.submit(request);
  r->wait();
  auto history = request.prompt;
  for (const auto& t : r->tokens()) {
    const auto expected = sampling::compute_logprobs(h.model->logits_after(history), t.token, 3);
    BOOST_REQUIRE(t.logprobs);
    BOOST_TEST(t.logprobs->chosen.token == t.token);
    BOOST_TEST(t.logprobs->chosen.logprob == expected.chosen.logprob);
    BOOST_REQUIRE_EQUAL(t.logprobs->top.size(), 3U);
    BOOST_TEST(t.logprobs->top[2].token == expected.top[2].token);
    history.push_back(t.token);
  }
}

BOOST_AUTO_TEST_CASE(prompt_scores_cover_every_token_but_the_first) {
  for (const std::uint32_t max_tokens : {0U, 2U}) {
    for (const std::uint32_t batch_tokens : {3U, 512U}) {
      Harness h(300, 256);
      h.options.batch_tokens = batch_tokens;
      h.start();
      auto request = greedy(some_prompt(150, 4), max_tokens);
      request.prompt_logprobs = true;
      request.logprobs = 2;
      const auto r = h.submit(request);
      const auto finish = r->wait();
      BOOST_TEST((finish.reason == StopReason::kMaxTokens));
      BOOST_TEST(finish.completion_tokens == max_tokens);
      const auto scores = r->scores();
      BOOST_REQUIRE(scores);
      BOOST_REQUIRE_EQUAL(scores->size(), 149U);
      for (std::size_t i = 0; i < scores->size(); ++i) {
        const auto history = std::span(request.prompt).first(i + 1);
        const auto expected = sampling::compute_logprobs(h.model->logits_after(history), request.prompt[i + 1], 2);
        BOOST_REQUIRE_EQUAL((*scores)[i].chosen.token, request.prompt[i + 1]);
        BOOST_REQUIRE_EQUAL((*scores)[i].chosen.logprob, expected.chosen.logprob);
        BOOST_REQUIRE_EQUAL((*scores)[i].top[1].token, expected.top[1].token);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(nothing_to_score_and_nothing_to_generate_is_no_work) {
  Harness h;
  h.start();
  auto request = greedy(ids_of("x"), 0);
  request.prompt_logprobs = true;
  const auto scored = h.submit(request);
  BOOST_TEST((scored->wait().reason == StopReason::kMaxTokens));
  BOOST_REQUIRE(scored->scores());
  BOOST_TEST(scored->scores()->empty());
  const auto plain = h.submit(greedy(ids_of("xyz"), 0));
  BOOST_TEST((plain->wait().reason == StopReason::kMaxTokens));
  BOOST_TEST(!plain->scores());
  BOOST_TEST(h.model->calls().empty());
}

BOOST_AUTO_TEST_CASE(timings_and_counters_add_up) {
  Harness h;
  h.start();
  const auto before = h.engine->stats();
  BOOST_TEST(before.running == 0U);
  BOOST_TEST(before.kv_usage == 0.0);
  const auto r = h.submit(greedy(ids_of("0123456789"), 7));
  const auto finish = r->wait();
  BOOST_TEST(finish.timings.queue >= 0.0);
  BOOST_TEST(finish.timings.prompt > 0.0);
  BOOST_TEST(finish.timings.decode > 0.0);
  BOOST_TEST(finish.timings.time_to_first_token >= finish.timings.queue + finish.timings.prompt);
  const auto stats = h.engine->stats();
  BOOST_TEST(stats.prompt_tokens_total == 10U);
  BOOST_TEST(stats.generation_tokens_total == 7U);
  BOOST_TEST(stats.running == 0U);
  BOOST_TEST(stats.waiting == 0U);
  BOOST_TEST(stats.kv_usage == 0.0);
  BOOST_TEST(stats.finished_total[static_cast<std::size_t>(StopReason::kMaxTokens)] == 1U);
  BOOST_TEST(h.engine->memory().weights == 1000U);
}

BOOST_AUTO_TEST_SUITE_END()
