// POST /v1/completions on an engine that the test moves by hand.
#include <boost/test/unit_test.hpp>

#include "base/json.hpp"
#include "support/fake_engine.hpp"

namespace {

namespace api = llorch::api;
namespace json = boost::json;
using llorch::engine::StopReason;
using llorch::sampling::Logprobs;
using llorch::testing::WorkerFixture;

std::vector<std::string> data_lines(const std::string& stream) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < stream.size();) {
    const std::size_t end = stream.find("\n\n", at);
    BOOST_TEST_REQUIRE(end != std::string::npos);
    const std::string event = stream.substr(at, end - at);
    BOOST_TEST_REQUIRE(event.starts_with("data: "));
    lines.push_back(event.substr(6));
    at = end + 2;
  }
  return lines;
}

json::value parsed(const std::string& text) {
  auto value = llorch::parse_json(text);
  BOOST_TEST_REQUIRE(value.has_value(), text);
  return *value;
}

BOOST_FIXTURE_TEST_SUITE(completions_route, WorkerFixture)

BOOST_AUTO_TEST_CASE(a_whole_completion_has_openai_shape_usage_and_timings) {
  begin(api::completions, R"({"prompt":"hello","max_tokens":2})");
  const std::string id = engine->id();
  engine->start(id);
  engine->token(id, "a");
  engine->token(id, "");
  engine->finish(id, StopReason::kMaxTokens, "b");
  BOOST_TEST(run_to_end());
  BOOST_TEST(exchange->response.status == 200U);
  const json::value body = parsed(exchange->response.body);
  BOOST_TEST(body.at("object").as_string() == "text_completion");
  BOOST_TEST(body.at("model").as_string() == "fake-model");
  BOOST_TEST(std::string(body.at("id").as_string()) == id);
  const json::value& choice = body.at("choices").at(0);
  BOOST_TEST(choice.at("text").as_string() == "ab");
  BOOST_TEST(choice.at("index").as_int64() == 0);
  BOOST_TEST(choice.at("finish_reason").as_string() == "length");
  BOOST_TEST(choice.at("logprobs").is_null());
  BOOST_TEST(body.at("usage").at("prompt_tokens").as_int64() == 5);
  BOOST_TEST(body.at("usage").at("completion_tokens").as_int64() == 2);
  BOOST_TEST(body.at("usage").at("total_tokens").as_int64() == 7);
  BOOST_TEST(body.at("timings").at("queue_ms").to_number<double>() == 1.0);
}

BOOST_AUTO_TEST_CASE(a_stream_is_chunks_then_a_finish_reason_then_done) {
  begin(api::completions, R"({"prompt":"hello","stream":true})");
  const std::string id = engine->id();
  engine->start(id);
  run();
  BOOST_TEST(!exchange->streaming);
  engine->token(id, "a");
  run();
  BOOST_TEST(exchange->streaming);
  engine->token(id, "");
  engine->finish(id, StopReason::kEos);
  BOOST_TEST(run_to_end());
  const auto lines = data_lines(exchange->stream);
  BOOST_TEST_REQUIRE(lines.size() == 3U);
  const json::value first = parsed(lines[0]);
  BOOST_TEST(first.at("choices").at(0).at("text").as_string() == "a");
  BOOST_TEST(first.at("choices").at(0).at("finish_reason").is_null());
  BOOST_TEST(!first.as_object().contains("usage"));
  BOOST_TEST(parsed(lines[1]).at("choices").at(0).at("finish_reason").as_string() == "stop");
  BOOST_TEST(lines[2] == "[DONE]");
}

BOOST_AUTO_TEST_CASE(usage_comes_in_a_chunk_of_its_own_when_asked_for) {
  begin(api::completions, R"({"prompt":"hello","stream":true,"stream_options":{"include_usage":true}})");
  engine->token(engine->id(), "a");
  engine->finish(engine->id());
  BOOST_TEST(run_to_end());
  const auto lines = data_lines(exchange->stream);
  BOOST_TEST_REQUIRE(lines.size() == 4U);
  BOOST_TEST(parsed(lines[0]).at("usage").is_null());
  const json::value usage = parsed(lines[2]);
  BOOST_TEST(usage.at("choices").as_array().empty());
  BOOST_TEST(usage.at("usage").at("total_tokens").as_int64() == 6);
}

BOOST_AUTO_TEST_CASE(a_failure_before_the_first_token_is_plain_json_with_its_status) {
  begin(api::completions, R"({"prompt":"hello","stream":true})");
  engine->start(engine->id());
  engine->finish(engine->id(), StopReason::kError, "", llorch::make_error(llorch::ErrorCode::kInternal, "NaN"));
  BOOST_TEST(run_to_end());
  BOOST_TEST(!exchange->streaming);
  BOOST_TEST(exchange->response.status == 500U);
  BOOST_TEST(parsed(exchange->response.body).at("error").at("type").as_string() == "server_error");
}

BOOST_AUTO_TEST_CASE(a_failure_after_it_is_one_error_and_the_end) {
  begin(api::completions, R"({"prompt":"hello","stream":true})");
  engine->token(engine->id(), "a");
  engine->finish(engine->id(), StopReason::kError, "", llorch::make_error(llorch::ErrorCode::kInternal, "NaN"));
  BOOST_TEST(run_to_end());
  const auto lines = data_lines(exchange->stream);
  BOOST_TEST_REQUIRE(lines.size() == 2U);
  BOOST_TEST(parsed(lines[1]).at("error").at("message").as_string() == "NaN");
  BOOST_TEST(exchange->ended);
}

BOOST_AUTO_TEST_CASE(choices_are_numbered_over_prompts_and_n_with_seeds_of_their_own) {
  begin(api::completions, R"({"prompt":["a","bc"],"n":2,"seed":7})");
  BOOST_TEST_REQUIRE(engine->order.size() == 4U);
  for (std::size_t i = 0; i < 4; ++i) {
    const auto& request = engine->live.at(engine->id(i)).request;
    BOOST_TEST(request.prompt.size() == (i < 2 ? 1U : 2U));
    BOOST_TEST(request.sampling.seed == 7 + i % 2);
  }
  for (const std::size_t i : {3U, 0U, 2U, 1U}) {
    engine->token(engine->id(i), std::to_string(i));
    engine->finish(engine->id(i));
  }
  BOOST_TEST(run_to_end());
  const json::value body = parsed(exchange->response.body);
  for (std::size_t i = 0; i < 4; ++i) {
    BOOST_TEST(body.at("choices").at(i).at("index").as_int64() == static_cast<std::int64_t>(i));
    BOOST_TEST(std::string(body.at("choices").at(i).at("text").as_string()) == std::to_string(i));
  }
  BOOST_TEST(body.at("usage").at("prompt_tokens").as_int64() == 3);
  BOOST_TEST(body.at("usage").at("completion_tokens").as_int64() == 4);
}

BOOST_AUTO_TEST_CASE(without_a_seed_two_requests_draw_different_ones) {
  begin(api::completions, R"({"prompt":"a"})");
  const auto first = engine->live.at(engine->id(0)).request.sampling.seed;
  engine->finish(engine->id(0));
  BOOST_TEST(run_to_end());
  begin(api::completions, R"({"prompt":"a"})");
  BOOST_TEST(engine->live.at(engine->id(1)).request.sampling.seed != first);
  engine->finish(engine->id(1));
  BOOST_TEST(run_to_end());
}

BOOST_AUTO_TEST_CASE(logprobs_and_echo_give_the_legacy_lists) {
  begin(api::completions, R"({"prompt":"hi","max_tokens":1,"logprobs":2,"echo":true})");
  const std::string id = engine->id();
  BOOST_TEST(engine->live.at(id).request.prompt_logprobs);
  engine->live.at(id).listener->on_prompt_scored({Logprobs{{'i', -0.5F}, {{'o', -0.25F}, {0xE2, -1.5F}}}});
  engine->token(id, "!", '!', Logprobs{{'!', -2.0F}, {{'!', -2.0F}}});
  engine->finish(id);
  BOOST_TEST(run_to_end());
  const json::value body = parsed(exchange->response.body);
  BOOST_TEST(body.at("choices").at(0).at("text").as_string() == "hi!");
  const std::string expected =
      R"("logprobs":{"tokens":["h","i","!"],"token_logprobs":[null,-0.5,-2],)"
      R"("top_logprobs":[null,{"o":-0.25,"bytes:\\xe2":-1.5},{"!":-2}],"text_offset":[0,1,2]})";
  BOOST_TEST(exchange->response.body.find(expected) != std::string::npos, exchange->response.body);
}

BOOST_AUTO_TEST_CASE(echo_without_logprobs_repeats_the_prompt) {
  begin(api::completions, R"({"prompt":"hi","max_tokens":0,"echo":true})");
  engine->start(engine->id());
  engine->finish(engine->id());
  BOOST_TEST(run_to_end());
  BOOST_TEST(parsed(exchange->response.body).at("choices").at(0).at("text").as_string() == "hi");
}

BOOST_AUTO_TEST_CASE(a_prompt_beyond_the_context_is_400_and_names_both_numbers) {
  begin(api::completions, R"({"prompt":")" + std::string(65, 'x') + "\"}");
  const json::value body = parsed(exchange->response.body);
  BOOST_TEST(exchange->response.status == 400U);
  BOOST_TEST(body.at("error").at("code").as_string() == "context_length_exceeded");
  BOOST_TEST(std::string(body.at("error").at("message").as_string()) == "prompt has 65 tokens, the context holds 64");
}

BOOST_AUTO_TEST_CASE(an_unsupported_field_is_400_with_param) {
  begin(api::completions, R"({"prompt":"x","suffix":"y"})");
  BOOST_TEST(exchange->response.status == 400U);
  BOOST_TEST(parsed(exchange->response.body).at("error").at("param").as_string() == "suffix");
}

BOOST_AUTO_TEST_CASE(fields_of_other_servers_are_400_unless_they_ask_for_what_happens_anyway) {
  for (const char* field : {R"("bad_words":["a"])", R"("skip_special_tokens":false)", R"("repeat_penalty":1.1)",
                            R"("modalities":["audio"])", R"("dry_multiplier":0.8)", R"("add_special_tokens":false)"}) {
    BOOST_TEST_CONTEXT(field) {
      begin(api::completions, std::string(R"({"prompt":"x",)") + field + "}");
      BOOST_TEST(exchange->response.status == 400U);
    }
  }
  begin(
      api::completions,
      R"({"prompt":"x","skip_special_tokens":true,"repeat_penalty":1.0,"modalities":["text"],"dry_multiplier":0,"bad_words":[],"add_special_tokens":true})");
  BOOST_TEST(exchange->response.status != 400U);
}

BOOST_AUTO_TEST_CASE(a_full_queue_is_429_with_retry_after) {
  engine->refusal = llorch::make_error(llorch::ErrorCode::kResourceExhausted, "the queue is full");
  begin(api::completions, R"({"prompt":"x","stream":true})");
  BOOST_TEST(exchange->response.status == 429U);
  BOOST_TEST(parsed(exchange->response.body).at("error").at("type").as_string() == "rate_limit_error");
  BOOST_TEST_REQUIRE(exchange->response.headers.size() == 1U);
  BOOST_TEST(exchange->response.headers[0].first == "Retry-After");
}

BOOST_AUTO_TEST_CASE(a_peer_that_goes_away_cancels_all_choices) {
  begin(api::completions, R"({"prompt":"x","n":3})");
  exchange->disconnect_callback();
  BOOST_TEST(engine->cancelled.size() == 3U);
  for (std::size_t i = 0; i < 3; ++i)
    engine->finish(engine->id(i), StopReason::kCancelled);
  BOOST_TEST(run_to_end());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
