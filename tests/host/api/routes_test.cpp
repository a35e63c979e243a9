// Probes, models, tokenization and the table of routes.
#include "api/routes.hpp"

#include <boost/test/unit_test.hpp>

#include "base/json.hpp"
#include "support/fake_engine.hpp"

namespace {

namespace api = llorch::api;
using llorch::engine::StopReason;
using llorch::testing::WorkerFixture;

BOOST_FIXTURE_TEST_SUITE(other_routes, WorkerFixture)

BOOST_AUTO_TEST_CASE(health_says_healthy_with_the_identity_of_the_worker) {
  begin(api::health, "");
  BOOST_TEST(exchange->response.status == 200U);
  const auto body = llorch::parse_json(exchange->response.body).value();
  BOOST_TEST(body.at("status").as_string() == "healthy");
  BOOST_TEST(body.at("vram_bytes").as_int64() == 0);
  BOOST_TEST(body.at("ram_bytes").as_int64() == 1234);
  BOOST_TEST(body.at("model").as_string() == "fake-model");
  BOOST_TEST(body.at("plugin").as_string() == "fake");
  BOOST_TEST(body.at("worker_id").as_string() == "w0");
}

BOOST_AUTO_TEST_CASE(health_is_503_while_loading_and_while_draining) {
  api::Worker loading({"w1", "m", "0"});
  llorch::testing::RecordingExchange first(io);
  boost::asio::co_spawn(io, api::health(loading, http_request, first), boost::asio::detached);
  run();
  BOOST_TEST(first.response.status == 503U);
  BOOST_TEST(first.response.body.find(R"("status":"loading")") != std::string::npos);
  worker.set_draining();
  begin(api::health, "");
  BOOST_TEST(exchange->response.status == 503U);
  BOOST_TEST(exchange->response.body.find(R"("status":"draining")") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(three_failures_in_a_row_make_the_worker_unhealthy_until_a_success) {
  llorch::engine::FinishEvent failure;
  failure.reason = StopReason::kError;
  failure.error = llorch::make_error(llorch::ErrorCode::kInternal, "x");
  for (int i = 0; i < 3; ++i) {
    BOOST_TEST((worker.status() == api::Status::kReady));
    worker.sequence_finished(failure);
  }
  BOOST_TEST((worker.status() == api::Status::kUnhealthy));
  worker.sequence_finished({});
  BOOST_TEST((worker.status() == api::Status::kReady));
  engine->is_healthy = false;
  BOOST_TEST((worker.status() == api::Status::kUnhealthy));
}

BOOST_AUTO_TEST_CASE(readyz_is_200_only_while_a_request_would_be_served) {
  begin(api::readyz, "");
  BOOST_TEST(exchange->response.status == 200U);
  engine->current_stats.running = 1;
  engine->current_stats.waiting = 3;
  begin(api::readyz, "");
  BOOST_TEST(exchange->response.status == 503U);
  BOOST_TEST(exchange->response.body == "queue full\n");
  begin(api::livez, "");
  BOOST_TEST(exchange->response.status == 200U);
}

BOOST_AUTO_TEST_CASE(models_lists_the_model_with_its_context) {
  begin(api::models, "");
  const auto body = llorch::parse_json(exchange->response.body).value();
  BOOST_TEST(body.at("object").as_string() == "list");
  BOOST_TEST(body.at("data").at(0).at("id").as_string() == "fake-model");
  BOOST_TEST(body.at("data").at(0).at("max_model_len").as_int64() == 64);
}

BOOST_AUTO_TEST_CASE(tokenize_and_detokenize_invert_each_other) {
  begin(api::tokenize, R"({"content":"hé"})");
  BOOST_TEST(exchange->response.body == R"({"tokens":[104,195,169],"count":3})");
  begin(api::detokenize, R"({"tokens":[104,195,169]})");
  BOOST_TEST(exchange->response.body == R"({"content":"hé"})");
  tokenizer->prefix = {256};
  begin(api::tokenize, R"({"prompt":"h","add_special":true})");
  BOOST_TEST(exchange->response.body == R"({"tokens":[256,104],"count":2})");
}

BOOST_AUTO_TEST_CASE(detokenize_leaves_special_tokens_out_when_told_to) {
  begin(api::detokenize, R"({"tokens":[104,256,105]})");
  BOOST_TEST(exchange->response.body == R"({"content":"h<|end|>i"})");
  begin(api::detokenize, R"({"tokens":[104,256,105],"skip_special_tokens":true})");
  BOOST_TEST(exchange->response.body == R"({"content":"hi"})");
  begin(api::detokenize, R"({"tokens":[104],"skip_special_tokens":"yes"})");
  BOOST_TEST(exchange->response.status == 400U);
}

BOOST_AUTO_TEST_CASE(ids_out_of_range_and_bodies_of_another_shape_are_400) {
  for (const char* body : {R"({"tokens":[257]})", R"({"tokens":[-1]})", R"({"tokens":["a"]})", R"({"tokens":7})", "{}",
                           "[]", "{", R"({"tokens":[1.5]})"}) {
    begin(api::detokenize, body);
    BOOST_TEST(exchange->response.status == 400U, body);
  }
  for (const char* body : {R"({"content":7})", "{}", "7", R"({"content":"a","add_special":1})"}) {
    begin(api::tokenize, body);
    BOOST_TEST(exchange->response.status == 400U, body);
  }
}

BOOST_AUTO_TEST_CASE(metrics_show_the_same_figures_under_both_names) {
  engine->current_stats = {1, 2, 0.25, 11, 7, 0, {}};
  llorch::engine::FinishEvent end;
  end.reason = StopReason::kEos;
  end.completion_tokens = 1;
  end.timings.time_to_first_token = 0.004;
  worker.sequence_finished(end);
  begin(api::metrics, "");
  const std::string& text = exchange->response.body;
  for (const char* line :
       {"llorch_requests_running{model_name=\"fake-model\"} 1\n",
        "vllm:num_requests_running{model_name=\"fake-model\"} 1\n",
        "vllm:num_requests_waiting{model_name=\"fake-model\"} 2\n",
        "vllm:kv_cache_usage_perc{model_name=\"fake-model\"} 0.25\n",
        "vllm:prompt_tokens_total{model_name=\"fake-model\"} 11\n",
        "vllm:generation_tokens_total{model_name=\"fake-model\"} 7\n",
        "vllm:time_to_first_token_seconds_bucket{model_name=\"fake-model\",le=\"0.005\"} 1\n",
        "vllm:e2e_request_latency_seconds_count{model_name=\"fake-model\"} 1\n",
        "vllm:request_queue_time_seconds_count{model_name=\"fake-model\"} 1\n",
        "vllm:inter_token_latency_seconds_count{model_name=\"fake-model\"} 0\n",
        "vllm:request_success_total{model_name=\"fake-model\",finished_reason=\"stop\"} 1\n",
        "llorch_requests_finished_total{model_name=\"fake-model\",finished_reason=\"stop\"} 1\n", "llorch_ready 1\n"}) {
    BOOST_TEST(text.find(line) != std::string::npos, line);
  }
}

BOOST_AUTO_TEST_CASE(the_api_description_names_exactly_the_routes_that_exist) {
  begin(api::openapi, "");
  const auto document = llorch::parse_json(exchange->response.body).value();
  std::set<std::string> described;
  for (const auto& [path, methods] : document.at("paths").as_object()) {
    for (const auto& [method, operation] : methods.as_object()) {
      std::string name(method);
      for (char& c : name)
        c = static_cast<char>(std::toupper(c));
      described.insert(name + " " + std::string(path));
      BOOST_TEST(operation.as_object().contains("responses"));
    }
  }
  std::set<std::string> existing = {"GET /v1/models/{model}"};  // filled for the worker's own model
  for (const api::Route& route : api::routes())
    existing.insert(std::string(route.method) + " " + std::string(route.path));
  BOOST_TEST(described == existing, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_page_refers_to_nothing_outside_the_worker) {
  begin(api::page, "");
  BOOST_TEST(exchange->response.content_type.starts_with("text/html"));
  BOOST_TEST(exchange->response.body.find("://") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(every_route_answers_through_the_router) {
  llorch::http::Router router;
  api::fill(router, worker);
  for (const api::Route& route : api::routes())
    BOOST_TEST(router.find(route.method, route.path) != nullptr, route.path);
  BOOST_TEST(router.find("GET", "/v1/models/fake-model") != nullptr);
  BOOST_TEST(router.error_body(404, "x").status == 404U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
