// POST /execute and POST /cancel on an engine that the test moves by hand.
#include <boost/test/unit_test.hpp>

#include "base/json.hpp"
#include "support/fake_engine.hpp"

namespace {

namespace api = llorch::api;
using llorch::engine::StopReason;
using llorch::testing::WorkerFixture;

const char* const kBody = R"({"job_id":"j1","prompt":"hello","max_tokens":5})";

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++found;
  return found;
}

// Names of the events of a stream, in order.
std::string event_names(const std::string& stream) {
  std::string names;
  for (std::size_t at = stream.find("event: "); at != std::string::npos; at = stream.find("event: ", at + 1)) {
    names += stream.substr(at + 7, stream.find('\n', at) - at - 7) + " ";
  }
  return names;
}

BOOST_FIXTURE_TEST_SUITE(execute_route, WorkerFixture)

BOOST_AUTO_TEST_CASE(a_job_streams_started_its_tokens_and_one_end) {
  begin(api::execute, kBody);
  BOOST_TEST(exchange->streaming);
  engine->start("j1");
  engine->token("j1", "Hi");
  engine->token("j1", " there");
  run();
  BOOST_TEST(event_names(exchange->stream) == "started token token ");
  engine->finish("j1");
  BOOST_TEST(run_to_end());
  BOOST_TEST(event_names(exchange->stream) == "started token token end ");
  BOOST_TEST(exchange->ended);
  BOOST_TEST(exchange->responses == 0);
  BOOST_TEST(
      exchange->stream.find(R"("tokens_out":2,"decode_time_ms":500,"stop_reason":"MAX_TOKENS")") != std::string::npos,
      exchange->stream);
}

BOOST_AUTO_TEST_CASE(the_engine_gets_the_prompt_in_tokens_and_the_parameters) {
  begin(api::execute, R"({"job_id":"j","prompt":"ab","max_tokens":7,"seed":9,"stop":["x"],"temperature":0})");
  const auto& request = engine->live.at("j").request;
  BOOST_TEST(request.prompt == (std::vector<std::int32_t>{'a', 'b'}), boost::test_tools::per_element());
  BOOST_TEST(request.max_tokens == 7U);
  BOOST_TEST(request.sampling.seed == 9U);
  BOOST_TEST(request.sampling.temperature == 0.0F);
  BOOST_TEST(request.stop == std::vector<std::string>{"x"}, boost::test_tools::per_element());
  engine->finish("j");
  BOOST_TEST(run_to_end());
}

BOOST_AUTO_TEST_CASE(held_back_text_makes_no_event_until_it_is_released) {
  begin(api::execute, kBody);
  engine->start("j1");
  engine->token("j1", "a");
  engine->token("j1", "");
  engine->token("j1", "bc");
  engine->finish("j1", StopReason::kMaxTokens, "d");
  BOOST_TEST(run_to_end());
  BOOST_TEST(event_names(exchange->stream) == "started token token token end ");
  BOOST_TEST(exchange->stream.find(R"({"type":"token","t":"bc","i":1})") != std::string::npos);
  BOOST_TEST(exchange->stream.find(R"({"type":"token","t":"d","i":2})") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_failure_ends_with_an_error_and_no_end) {
  begin(api::execute, kBody);
  engine->start("j1");
  engine->token("j1", "a");
  engine->finish("j1", StopReason::kError, "", llorch::make_error(llorch::ErrorCode::kInternal, "NaN in logits"));
  BOOST_TEST(run_to_end());
  BOOST_TEST(event_names(exchange->stream) == "started token error ");
}

BOOST_AUTO_TEST_CASE(a_peer_that_goes_away_cancels_its_sequence) {
  begin(api::execute, kBody);
  engine->start("j1");
  run();
  exchange->gone = true;
  exchange->disconnect_callback();
  BOOST_TEST(engine->cancelled == std::vector<std::string>{"j1"}, boost::test_tools::per_element());
  engine->finish("j1", StopReason::kCancelled);
  BOOST_TEST(run_to_end());
}

BOOST_AUTO_TEST_CASE(a_write_that_fails_cancels_its_sequence) {
  begin(api::execute, kBody);
  exchange->gone = true;
  engine->start("j1");
  run();
  BOOST_TEST(engine->cancelled == std::vector<std::string>{"j1"}, boost::test_tools::per_element());
  engine->finish("j1", StopReason::kCancelled);
  BOOST_TEST(run_to_end());
  BOOST_TEST(!exchange->ended);
}

BOOST_AUTO_TEST_CASE(tokens_that_nobody_reads_are_bounded_and_then_cancelled) {
  begin(api::execute, kBody);
  engine->start("j1");
  const std::string kilobyte(1024, 'x');
  for (int i = 0; i < 1100; ++i)
    engine->token("j1", kilobyte);
  BOOST_TEST(engine->cancelled.empty());
  run();
  BOOST_TEST(engine->cancelled == std::vector<std::string>{"j1"}, boost::test_tools::per_element());
  engine->finish("j1", StopReason::kCancelled);
  BOOST_TEST(run_to_end());
  BOOST_TEST(exchange->stream.size() < 1200U * 1024);
  BOOST_TEST(count(exchange->stream, "event: error") == 1U);
  BOOST_TEST(count(exchange->stream, "event: end") == 0U);
}

BOOST_AUTO_TEST_CASE(metrics_come_about_once_a_second) {
  begin(api::execute, kBody);
  engine->start("j1");
  engine->token("j1", "a");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (exchange->stream.find("event: metrics") == std::string::npos && std::chrono::steady_clock::now() < deadline) {
    io.restart();
    io.run_one_for(std::chrono::milliseconds(100));
  }
  engine->finish("j1");
  BOOST_TEST(run_to_end());
  BOOST_TEST(exchange->stream.find(R"("tokens_per_sec":0,"vram_bytes":0)") != std::string::npos, exchange->stream);
}

BOOST_AUTO_TEST_CASE(a_job_that_waits_for_long_still_begins_with_started) {
  begin(api::execute, kBody);
  io.restart();
  io.run_for(std::chrono::milliseconds(1300));  // beyond the time of the first metrics event
  BOOST_TEST(exchange->stream.empty(), exchange->stream);
  engine->start("j1");
  engine->finish("j1");
  BOOST_TEST(run_to_end());
  BOOST_TEST(event_names(exchange->stream) == "started end ");
}

BOOST_AUTO_TEST_CASE(faults_are_answered_with_400_and_nothing_is_queued) {
  begin(api::execute, R"({"job_id":"j"})");
  BOOST_TEST(finished);
  BOOST_TEST(exchange->response.status == 400U);
  BOOST_TEST(llorch::parse_json(exchange->response.body)->at("errors").as_array().size() == 2U);
  BOOST_TEST(engine->live.empty());
}

BOOST_AUTO_TEST_CASE(a_prompt_beyond_the_context_is_refused_with_both_numbers) {
  begin(api::execute, R"({"job_id":"j","max_tokens":1,"prompt":")" + std::string(65, 'x') + "\"}");
  BOOST_TEST(exchange->response.status == 400U);
  BOOST_TEST(exchange->response.body.find("65 tokens, the context holds 64") != std::string::npos,
             exchange->response.body);
}

BOOST_AUTO_TEST_CASE(a_large_request_is_prepared_elsewhere_and_answered_alike) {
  engine->context = 100'000;
  begin(api::execute, R"({"job_id":"j","max_tokens":1,"prompt":")" + std::string(32768, 'x') + "\"}");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (engine->live.empty() && std::chrono::steady_clock::now() < deadline) {
    io.restart();
    io.run_one_for(std::chrono::milliseconds(50));
  }
  BOOST_TEST_REQUIRE(engine->live.size() == 1U);
  BOOST_TEST(engine->live.at("j").request.prompt.size() == 32768U);
  engine->finish("j");
  BOOST_TEST(run_to_end());
  BOOST_TEST(event_names(exchange->stream) == "end ");
}

BOOST_AUTO_TEST_CASE(a_full_queue_is_429_with_retry_after) {
  engine->refusal = llorch::make_error(llorch::ErrorCode::kResourceExhausted, "the queue is full");
  begin(api::execute, kBody);
  BOOST_TEST(exchange->response.status == 429U);
  BOOST_TEST_REQUIRE(exchange->response.headers.size() == 1U);
  BOOST_TEST(exchange->response.headers[0].first == "Retry-After");
  BOOST_TEST(!exchange->streaming);
}

BOOST_AUTO_TEST_CASE(a_job_id_that_is_live_is_refused_until_its_job_ends) {
  begin(api::execute, kBody);
  auto first = std::move(exchange);
  const auto other_request = http_request;
  exchange = std::make_unique<llorch::testing::RecordingExchange>(io);
  boost::asio::co_spawn(io, api::execute(worker, other_request, *exchange), boost::asio::detached);
  run();
  BOOST_TEST(exchange->response.status == 409U);
  engine->finish("j1");
  BOOST_TEST(run_to_end());
  begin(api::execute, kBody);
  BOOST_TEST(exchange->streaming);
  engine->finish("j1");
  BOOST_TEST(run_to_end());
}

BOOST_AUTO_TEST_CASE(a_draining_worker_answers_503) {
  worker.set_draining();
  begin(api::execute, kBody);
  BOOST_TEST(exchange->response.status == 503U);
}

BOOST_AUTO_TEST_CASE(cancel_reaches_the_engine_and_the_stream_says_so) {
  begin(api::execute, kBody);
  auto stream = std::move(exchange);
  const bool stream_finished = finished;
  exchange = std::make_unique<llorch::testing::RecordingExchange>(io);
  llorch::http::Request cancel_request;
  cancel_request.body = R"({"job_id":"j1"})";
  boost::asio::co_spawn(io, api::cancel(worker, cancel_request, *exchange), boost::asio::detached);
  run();
  BOOST_TEST(exchange->response.status == 200U);
  BOOST_TEST(engine->cancelled == std::vector<std::string>{"j1"}, boost::test_tools::per_element());
  BOOST_TEST(!stream_finished);
  engine->finish("j1", StopReason::kCancelled);
  BOOST_TEST(run_to_end());
  BOOST_TEST(stream->stream.find(R"("stop_reason":"CANCELLED")") != std::string::npos, stream->stream);
}

BOOST_AUTO_TEST_CASE(requests_of_other_routes_cannot_be_cancelled) {
  begin(api::completions, R"({"prompt":"x","max_tokens":5})");
  BOOST_TEST_REQUIRE(engine->live.size() == 1U);
  const std::string id = engine->live.begin()->first;
  auto completion = std::move(exchange);
  exchange = std::make_unique<llorch::testing::RecordingExchange>(io);
  llorch::http::Request cancel_request;
  cancel_request.body = R"({"job_id":")" + id + "\"}";
  boost::asio::co_spawn(io, api::cancel(worker, cancel_request, *exchange), boost::asio::detached);
  run();
  BOOST_TEST(exchange->response.status == 404U);
  BOOST_TEST(engine->cancelled.empty());
  engine->finish(id);
  BOOST_TEST(run_to_end());
}

BOOST_AUTO_TEST_CASE(cancelling_an_unknown_job_is_404) {
  begin(api::cancel, R"({"job_id":"nobody"})");
  BOOST_TEST(exchange->response.status == 404U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
