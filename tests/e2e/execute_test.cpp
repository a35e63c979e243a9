// The worker contract over a socket.
#include "e2e/e2e.hpp"

namespace {

using namespace llorch::testing;  // NOLINT(google-build-using-namespace)

std::string job(const std::string& id, const std::string& more = {}) {
  return R"({"job_id":")" + id + R"(","prompt":"Once upon a time","max_tokens":40)" + more + "}";
}

BOOST_AUTO_TEST_SUITE(execute_end_to_end)

BOOST_AUTO_TEST_CASE(a_job_streams_started_tokens_and_end) {
  const RawResponse response = shared_worker().post("/execute", job("a1"));
  BOOST_TEST(response.status == 200U);
  BOOST_TEST(response.headers.at("content-type").starts_with("text/event-stream"));
  BOOST_TEST(response.complete);
  const std::vector<Event> events = events_of(response.body);
  BOOST_TEST_REQUIRE(events.size() >= 3U);
  BOOST_TEST(events.front().name == "started");
  const auto started = json_of(events.front().data);
  BOOST_TEST(started.at("job_id").as_string() == "a1");
  BOOST_TEST(started.at("model").as_string() == "tiny-gpt2");
  std::int64_t index = 0;
  for (std::size_t i = 1; i + 1 < events.size(); ++i) {
    if (events[i].name == "metrics") continue;
    BOOST_TEST(events[i].name == "token");
    BOOST_TEST(json_of(events[i].data).at("type").as_string() == "token");
    BOOST_TEST(json_of(events[i].data).at("i").as_int64() == index++);
  }
  BOOST_TEST(events.back().name == "end");
  const auto end = json_of(events.back().data);
  BOOST_TEST(end.at("stop_reason").as_string() == "MAX_TOKENS");
  BOOST_TEST(end.at("tokens_out").as_int64() == 40);
  BOOST_TEST(!text_of(events).empty());
}

BOOST_AUTO_TEST_CASE(the_same_seed_gives_the_same_text_and_another_seed_another) {
  const auto run = [](const std::string& id, const std::string& seed) {
    return text_of(events_of(shared_worker().post("/execute", job(id, R"(,"seed":)" + seed)).body));
  };
  const std::string first = run("s1", "7");
  BOOST_TEST(run("s2", "7") == first);
  BOOST_TEST(run("s3", "8") != first);
}

BOOST_AUTO_TEST_CASE(both_families_of_routes_give_the_same_text) {
  const std::string contract = text_of(events_of(shared_worker().post("/execute", job("f1", R"(,"seed":11)")).body));
  const RawResponse whole =
      shared_worker().post("/v1/completions", R"({"prompt":"Once upon a time","max_tokens":40,"seed":11})");
  BOOST_TEST(std::string(json_of(whole.body).at("choices").at(0).at("text").as_string()) == contract);
}

BOOST_AUTO_TEST_CASE(a_stop_string_ends_the_text_before_it) {
  const std::string greedy = R"(,"temperature":0)";
  const std::string full = text_of(events_of(shared_worker().post("/execute", job("t1", greedy)).body));
  BOOST_TEST_REQUIRE(full.size() > 20U);
  const std::string stop = full.substr(full.find(' ', 8), 4);
  const auto events =
      events_of(shared_worker().post("/execute", job("t2", greedy + R"(,"stop":[")" + stop + "\"]")).body);
  BOOST_TEST(text_of(events) == full.substr(0, full.find(stop)));
  const auto end = json_of(events.back().data);
  BOOST_TEST(end.at("stop_reason").as_string() == "STOP_SEQUENCE");
  BOOST_TEST(std::string(end.at("stop_sequence_matched").as_string()) == stop);
}

BOOST_AUTO_TEST_CASE(cancelling_a_job_ends_its_stream_with_cancelled) {
  // On a busy machine a job can be over before its cancellation arrives (404): then the next try counts.
  for (int attempt = 1;; ++attempt) {
    RawHttpClient client = shared_worker().connect();
    client.send(WorkerProcess::post_text(
        "/execute",
        R"({"job_id":"c1","prompt":"Once","max_tokens":500,"ignore_eos":true,"temperature":1.5,"seed":3})"));
    client.read_until("event: started");
    const RawResponse answer = shared_worker().post("/cancel", R"({"job_id":"c1"})");
    const std::string rest = client.read_to_end();
    if (answer.status == 404 && attempt < 10) continue;
    BOOST_TEST(answer.status == 200U);
    BOOST_TEST(rest.find(R"("stop_reason":"CANCELLED")") != std::string::npos, rest);
    break;
  }
}

BOOST_AUTO_TEST_CASE(a_faulty_job_is_refused_with_every_fault) {
  const RawResponse response =
      shared_worker().post("/execute", R"({"job_id":"","prompt":"secret words","max_tokens":0,"seed":-1})");
  BOOST_TEST(response.status == 400U);
  BOOST_TEST(json_of(response.body).at("errors").as_array().size() == 3U);
  BOOST_TEST(response.body.find("secret") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(prompts_beyond_the_context_are_refused_time_after_time_and_the_worker_goes_on) {
  std::string words;
  for (int i = 0; i < 2000; ++i)
    words += "word ";
  const std::string body = R"({"job_id":"l","max_tokens":5,"prompt":")" + words + "\"}";
  for (int i = 0; i < 3; ++i) {
    const RawResponse response = shared_worker().post("/execute", body);
    BOOST_TEST(response.status == 400U);
    BOOST_TEST(response.body.find("the context holds 512") != std::string::npos, response.body);
  }
  BOOST_TEST(shared_worker().post("/execute", job("l2")).status == 200U);
}

BOOST_AUTO_TEST_CASE(a_client_that_goes_away_stops_the_computation) {
  WorkerProcess& worker = shared_worker();
  const double before = worker.metric("llorch_generation_tokens_total{model_name=\"tiny-gpt2\"}");
  {
    RawHttpClient client = worker.connect();
    client.send(WorkerProcess::post_text(
        "/v1/completions", R"({"prompt":"Once","max_tokens":400,"n":16,"ignore_eos":true,"stream":true})"));
    BOOST_TEST(client.read_until("data: ").ends_with("data: "));
    client.reset();
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  double running = 1;
  while (running > 0 && std::chrono::steady_clock::now() < deadline) {
    running = worker.metric("llorch_requests_running{model_name=\"tiny-gpt2\"}") +
              worker.metric("llorch_requests_waiting{model_name=\"tiny-gpt2\"}");
  }
  BOOST_TEST(running == 0);
  const double generated = worker.metric("llorch_generation_tokens_total{model_name=\"tiny-gpt2\"}") - before;
  BOOST_TEST(generated < 16 * 400, "all " << generated << " tokens were computed for nobody");
  BOOST_TEST(worker.metric("llorch_requests_finished_total{model_name=\"tiny-gpt2\",finished_reason=\"abort\"}") > 0);
}

BOOST_AUTO_TEST_CASE(a_full_queue_is_429_and_costs_nothing) {
  const WorkerProcess worker({"--queue", "1"});
  RawHttpClient client = worker.connect();
  client.send(WorkerProcess::post_text("/v1/completions",
                                       R"({"prompt":"Once","max_tokens":500,"n":2,"ignore_eos":true,"stream":true})"));
  BOOST_TEST(client.read_until("data: ").ends_with("data: "));
  const RawResponse contract = worker.post("/execute", job("q1"));
  const RawResponse openai = worker.post("/v1/completions", R"({"prompt":"x"})");
  BOOST_TEST(contract.status == 429U);
  BOOST_TEST(contract.headers.contains("retry-after"));
  BOOST_TEST(json_of(contract.body).at("errors").as_array().size() == 1U);
  BOOST_TEST(openai.status == 429U);
  BOOST_TEST(openai.headers.contains("retry-after"));
  BOOST_TEST(json_of(openai.body).at("error").at("type").as_string() == "rate_limit_error");
  client.read_to_end();
  BOOST_TEST(worker.post("/execute", job("q2")).status == 200U);
}

BOOST_AUTO_TEST_CASE(health_answers_while_the_model_works) {
  WorkerProcess& worker = shared_worker();
  RawHttpClient client = worker.connect();
  std::string words;
  for (int i = 0; i < 200; ++i)
    words += "Once ";
  client.send(WorkerProcess::post_text(
      "/v1/completions", R"({"prompt":")" + words + R"(","max_tokens":200,"n":8,"ignore_eos":true,"stream":true})"));
  BOOST_TEST(client.read_until("data: ").ends_with("data: "));
  std::vector<double> milliseconds;
  for (int i = 0; i < 50; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    BOOST_TEST(worker.get("/health").status == 200U);
    milliseconds.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  BOOST_TEST_MESSAGE("/health under load: median " << milliseconds[25] << " ms, slowest " << milliseconds.back()
                                                   << " ms");
  BOOST_TEST(milliseconds[25] < 250, "the median took " << milliseconds[25] << " ms");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
