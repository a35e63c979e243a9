// Cancellation, draining and the end of the engine.
#include <atomic>
#include <future>

#include "host/engine/harness.hpp"

using namespace llorch;
using namespace llorch::test;
using engine::StopReason;

namespace {

engine::Request named(std::string id, engine::Request request) {
  request.id = std::move(id);
  return request;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(engine_cancel)

BOOST_AUTO_TEST_CASE(a_running_forward_stops_when_its_request_is_cancelled) {
  Harness h;
  h.model->hook = [](std::span<const FakeRow> rows) {
    return holds(rows, 'Z') ? FakeAction::kWaitForCancel : FakeAction::kCompute;
  };
  h.start();
  const auto stuck = h.submit(named("stuck", greedy(ids_of("Z"), 5)));
  while (h.model->calls().empty()) {
    std::this_thread::yield();
  }
  BOOST_TEST(h.engine->cancel("stuck"));
  const auto finish = stuck->wait();
  BOOST_TEST((finish.reason == StopReason::kCancelled));
  BOOST_TEST(!finish.error);
  BOOST_TEST(finish.completion_tokens == 0U);
  BOOST_TEST(!h.engine->cancel("stuck"));
  const auto next = greedy(ids_of("ok"), 4);
  const auto r = h.submit(next);
  BOOST_TEST((r->wait().reason == StopReason::kMaxTokens));
  BOOST_TEST(r->ids() == generate_alone(*h.model, next), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_neighbours_of_a_cancelled_request_lose_nothing) {
  Harness h;
  h.options.slots = 3;
  Gate all_queued;
  Gate stuck;
  h.model->hook = [&](std::span<const FakeRow> rows) {
    all_queued.wait();
    // The second request has the second sequence: nobody ends before it gets stuck.
    const bool victim =
        std::any_of(rows.begin(), rows.end(), [](const FakeRow& r) { return r.seq == 1 && r.position == 6; });
    if (!victim) return FakeAction::kCompute;
    stuck.open();
    return FakeAction::kWaitForCancel;
  };
  h.start();
  const auto one = greedy(ids_of("one"), 40);
  const auto three = greedy(ids_of("three"), 40);
  const auto a = h.submit(named("a", one));
  const auto b = h.submit(named("b", greedy(ids_of("two"), 60)));
  const auto c = h.submit(named("c", three));
  all_queued.open();
  stuck.wait();
  BOOST_TEST(h.engine->cancel("b"));
  BOOST_TEST((b->wait().reason == StopReason::kCancelled));
  BOOST_TEST(b->ids().size() == 4U);
  BOOST_TEST((a->wait().reason == StopReason::kMaxTokens));
  BOOST_TEST((c->wait().reason == StopReason::kMaxTokens));
  BOOST_TEST(a->ids() == generate_alone(*h.model, one), boost::test_tools::per_element());
  BOOST_TEST(c->ids() == generate_alone(*h.model, three), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_waiting_request_is_cancelled_without_touching_the_running_one) {
  Harness h;
  Gate gate;
  h.model->hook = [&](std::span<const FakeRow>) {
    gate.wait();
    return FakeAction::kCompute;
  };
  h.start();
  const auto running = h.submit(named("running", greedy(ids_of("r"), 5)));
  const auto waiting = h.submit(named("waiting", greedy(ids_of("w"), 5)));
  gate.wait_for_visitor();
  BOOST_TEST(h.engine->stats().running == 1U);
  BOOST_TEST(h.engine->stats().waiting == 1U);
  BOOST_TEST(h.engine->cancel("waiting"));
  gate.open();
  BOOST_TEST((waiting->wait().reason == StopReason::kCancelled));
  BOOST_TEST(!waiting->started());
  BOOST_TEST((running->wait().reason == StopReason::kMaxTokens));
  BOOST_TEST(running->ids().size() == 5U);
}

BOOST_AUTO_TEST_CASE(text_that_was_held_back_comes_with_the_cancellation) {
  Harness h;
  h.strings = {"abc##"};
  h.model->next_token = script(1, {FakeTokenizer::kFirstString});
  h.model->hook = [](std::span<const FakeRow> rows) {
    return rows.front().position == 1 ? FakeAction::kWaitForCancel : FakeAction::kCompute;
  };
  h.start();
  auto request = named("x", greedy(ids_of("p"), 9));
  request.stop = {"###"};
  const auto r = h.submit(request);
  r->wait_for_tokens(1);
  BOOST_TEST(h.engine->cancel("x"));
  BOOST_TEST(r->wait().text == "##");
  BOOST_TEST(r->text() == "abc##");
}

BOOST_AUTO_TEST_CASE(unknown_ids_are_not_cancelled) {
  Harness h;
  h.start();
  BOOST_TEST(!h.engine->cancel("nobody"));
}

BOOST_AUTO_TEST_CASE(cancel_all_ends_those_who_run_and_those_who_wait) {
  Harness h;
  h.model->hook = [](std::span<const FakeRow>) { return FakeAction::kWaitForCancel; };
  h.start();
  std::vector<std::shared_ptr<Recorder>> recorders;
  for (int i = 0; i < 5; ++i) {
    recorders.push_back(h.submit(greedy(ids_of("x"), 5)));
  }
  while (h.model->calls().empty()) {
    std::this_thread::yield();
  }
  h.engine->cancel_all();
  for (const auto& r : recorders) {
    BOOST_TEST((r->wait().reason == StopReason::kCancelled));
  }
  BOOST_TEST(h.engine->stats().finished_total[static_cast<std::size_t>(StopReason::kCancelled)] == 5U);
}

BOOST_AUTO_TEST_CASE(the_destructor_finishes_every_listener) {
  Harness h;
  h.model->hook = [](std::span<const FakeRow>) { return FakeAction::kWaitForCancel; };
  h.start();
  std::vector<std::shared_ptr<Recorder>> recorders;
  for (int i = 0; i < 4; ++i) {
    recorders.push_back(h.submit(greedy(ids_of("x"), 5)));
  }
  h.engine.reset();
  for (const auto& r : recorders) {
    BOOST_TEST(r->finished());
    BOOST_TEST((r->wait().reason == StopReason::kCancelled));
  }
}

BOOST_AUTO_TEST_CASE(draining_finishes_what_is_there_and_takes_nothing_new) {
  Harness h;
  h.start();
  const auto a = h.submit(greedy(ids_of("first"), 30));
  const auto b = h.submit(greedy(ids_of("second"), 30));
  std::promise<bool> idle;
  h.engine->drain([&] { idle.set_value(a->finished() && b->finished()); });
  const auto refused = h.try_submit(greedy(ids_of("late"), 3));
  BOOST_REQUIRE(!refused);
  BOOST_TEST((refused.error().code == ErrorCode::kUnavailable));
  auto done = idle.get_future();
  BOOST_REQUIRE((done.wait_for(kPatience) == std::future_status::ready));
  BOOST_TEST(done.get(), "idle was reported before every listener was finished");
  BOOST_TEST(a->ids().size() == 30U);
  BOOST_TEST(b->ids().size() == 30U);
}

BOOST_AUTO_TEST_CASE(draining_an_idle_engine_reports_at_once_and_once_a_call) {
  Harness h;
  h.start();
  for (int i = 0; i < 2; ++i) {
    std::promise<void> idle;
    h.engine->drain([&] { idle.set_value(); });
    BOOST_REQUIRE((idle.get_future().wait_for(kPatience) == std::future_status::ready));
  }
}

// Many threads at once; ThreadSanitizer watches, and every request must end exactly once.
BOOST_AUTO_TEST_CASE(threads_may_submit_cancel_and_ask_at_the_same_time) {
  Harness h(300, 128);
  h.options.slots = 3;
  h.options.queue_limit = 1000;
  h.start();
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::vector<std::pair<engine::Request, std::shared_ptr<Recorder>>> all;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 40; ++i) {
        const std::string id = std::to_string(t) + "/" + std::to_string(i);
        auto request = named(id, greedy(ids_of("prompt " + id), static_cast<std::uint32_t>(1 + i % 20)));
        auto recorder = std::make_shared<Recorder>();
        std::vector<std::pair<engine::Request, std::shared_ptr<engine::Listener>>> one;
        one.emplace_back(request, recorder);
        if (!h.engine->submit(std::move(one))) continue;
        if (i % 3 == 0) h.engine->cancel(std::to_string((t + 1) % 4) + "/" + std::to_string(i));
        if (i % 5 == 0) (void)h.engine->stats();
        const std::lock_guard lock(mutex);
        all.emplace_back(std::move(request), std::move(recorder));
      }
    });
  }
  for (auto& t : threads) {
    t.join();
  }
  BOOST_TEST(all.size() == 160U);
  for (const auto& [request, recorder] : all) {
    const auto finish = recorder->wait();
    const auto expected = generate_alone(*h.model, request);
    const auto ids = recorder->ids();
    BOOST_REQUIRE_LE(ids.size(), expected.size());
    BOOST_TEST(std::equal(ids.begin(), ids.end(), expected.begin()), request.id);
    BOOST_TEST((finish.reason == StopReason::kCancelled || ids.size() == expected.size()));
  }
  BOOST_TEST(h.engine->stats().kv_usage == 0.0);
}

BOOST_AUTO_TEST_SUITE_END()
