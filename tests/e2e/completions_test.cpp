// The OpenAI routes over a socket.
#include <cmath>

#include "e2e/e2e.hpp"

namespace {

using namespace llorch::testing;  // NOLINT(google-build-using-namespace)
namespace json = boost::json;

json::value complete(const std::string& members) {
  const RawResponse response = shared_worker().post("/v1/completions", "{" + members + "}");
  BOOST_TEST_REQUIRE(response.status == 200U, response.body);
  return json_of(response.body);
}

std::string first_text(const json::value& completion) {
  return std::string(completion.at("choices").at(0).at("text").as_string());
}

BOOST_AUTO_TEST_SUITE(completions_end_to_end)

BOOST_AUTO_TEST_CASE(stream_and_whole_answer_agree_with_usage) {
  const std::string members = R"("prompt":"Once upon a time","max_tokens":30,"seed":5)";
  const json::value whole = complete(members);
  const RawResponse stream = shared_worker().post(
      "/v1/completions", "{" + members + R"(,"stream":true,"stream_options":{"include_usage":true}})");
  const auto events = events_of(stream.body);
  BOOST_TEST(text_of(events) == first_text(whole));
  BOOST_TEST(events.back().data == "[DONE]");
  const json::value usage = json_of(events[events.size() - 2].data);
  for (const char* member : {"prompt_tokens", "completion_tokens", "total_tokens"}) {
    BOOST_TEST(usage.at("usage").at(member).as_int64() == whole.at("usage").at(member).as_int64());
  }
  BOOST_TEST(whole.at("usage").at("completion_tokens").as_int64() == 30);
  BOOST_TEST(whole.at("timings").as_object().contains("tokens_per_second"));
}

BOOST_AUTO_TEST_CASE(a_prompt_of_ids_is_the_prompt_of_its_text) {
  const auto tokens = json_of(shared_worker().post("/tokenize", R"({"content":"Once upon a time"})").body);
  const std::string ids = json::serialize(tokens.at("tokens"));
  const std::string rest = R"(,"max_tokens":20,"temperature":0)";
  const std::string from_text = first_text(complete(R"("prompt":"Once upon a time")" + rest));
  BOOST_TEST(first_text(complete(R"("prompt":)" + ids + rest)) == from_text);
  const json::value batch = complete(R"("prompt":[)" + ids + "," + ids + "]" + rest);
  for (std::size_t i = 0; i < 2; ++i) {
    BOOST_TEST(std::string(batch.at("choices").at(i).at("text").as_string()) == from_text);
  }
}

BOOST_AUTO_TEST_CASE(choices_differ_by_their_seeds_and_choice_j_is_seed_plus_j) {
  const std::string members = R"("prompt":"Once upon a time","max_tokens":30)";
  const json::value three = complete(members + R"(,"n":3,"seed":100)");
  BOOST_TEST_REQUIRE(three.at("choices").as_array().size() == 3U);
  const json::value last = complete(members + R"(,"seed":102)");
  BOOST_TEST(std::string(three.at("choices").at(2).at("text").as_string()) == first_text(last));
  BOOST_TEST(three.at("usage").at("completion_tokens").as_int64() == 90);
}

BOOST_AUTO_TEST_CASE(scores_of_generated_tokens_equal_their_scores_as_a_prompt) {
  const json::value generated = complete(R"("prompt":"Once upon a time","max_tokens":12,"temperature":0,"logprobs":3)");
  const std::string text = "Once upon a time" + first_text(generated);
  const std::string prompt = json::serialize(json::value(json::string(text)));
  const json::value scored = complete(R"("prompt":)" + prompt + R"(,"max_tokens":0,"echo":true,"logprobs":3)");
  BOOST_TEST(first_text(scored) == text);
  const auto& fresh = generated.at("choices").at(0).at("logprobs");
  const auto& again = scored.at("choices").at(0).at("logprobs");
  BOOST_TEST(again.at("token_logprobs").at(0).is_null());
  const std::size_t total = again.at("tokens").as_array().size();
  const std::size_t count = fresh.at("tokens").as_array().size();
  BOOST_TEST_REQUIRE(count == 12U);
  // Tokenizing the text anew may join tokens differently; where it does not, the scores are the same numbers.
  bool same_tokens = total > count;
  for (std::size_t i = 0; same_tokens && i < count; ++i) {
    same_tokens = fresh.at("tokens").at(i) == again.at("tokens").at(total - count + i);
  }
  BOOST_TEST_REQUIRE(same_tokens);
  for (std::size_t i = 0; i < count; ++i) {
    BOOST_TEST(fresh.at("token_logprobs").at(i).to_number<double>() ==
               again.at("token_logprobs").at(total - count + i).to_number<double>());
    BOOST_TEST(fresh.at("top_logprobs").at(i).as_object().size() == 3U);
  }
  BOOST_TEST(again.at("text_offset").at(0).as_int64() == 0);
}

BOOST_AUTO_TEST_CASE(logit_bias_forbids_and_forces_tokens) {
  const json::value plain = complete(R"("prompt":"Once upon a time","max_tokens":1,"temperature":0)");
  const std::string word = json::serialize(json::value(json::string(first_text(plain))));
  const auto ids = json_of(shared_worker().post("/tokenize", R"({"content":)" + word + "}").body);
  BOOST_TEST_REQUIRE(ids.at("count").as_int64() == 1);
  const std::string id = std::to_string(ids.at("tokens").at(0).as_int64());
  const std::string rest = R"("prompt":"Once upon a time","max_tokens":1,"temperature":0,"logit_bias":{")" + id;
  BOOST_TEST(first_text(complete(rest + "\":-100}")) != first_text(plain));
  const std::string forced = R"("prompt":"Once upon a time","max_tokens":1,"seed":1,"logit_bias":{")" + id + "\":100}";
  BOOST_TEST(first_text(complete(forced)) == first_text(plain));
}

BOOST_AUTO_TEST_CASE(text_round_trips_through_ids) {
  const std::string text = "H\u00E9llo, w\u00F6rld \U0001F600!\\n  spaces";
  const RawResponse ids = shared_worker().post("/tokenize", R"({"content":")" + text + "\"}");
  const RawResponse back =
      shared_worker().post("/detokenize", R"({"tokens":)" + json::serialize(json_of(ids.body).at("tokens")) + "}");
  BOOST_TEST(back.body == R"({"content":")" + text + "\"}");
}

BOOST_AUTO_TEST_CASE(models_names_the_model_that_runs) {
  const RawResponse list = shared_worker().get("/v1/models");
  BOOST_TEST(json_of(list.body).at("data").at(0).at("id").as_string() == "tiny-gpt2");
  BOOST_TEST(shared_worker().get("/v1/models/tiny-gpt2").status == 200U);
  BOOST_TEST(shared_worker().get("/v1/models/other").status == 404U);
}

BOOST_AUTO_TEST_CASE(a_request_id_is_echoed) {
  RawHttpClient client = shared_worker().connect();
  const RawResponse response =
      client.exchange("GET /health HTTP/1.1\r\nHost: t\r\nX-Request-Id: abc-123\r\nConnection: close\r\n\r\n");
  BOOST_TEST(response.headers.at("x-request-id") == "abc-123");
  BOOST_TEST(!shared_worker().get("/health").headers.at("x-request-id").empty());
}

BOOST_AUTO_TEST_CASE(probes_page_and_description_answer) {
  for (const char* path :
       {"/livez", "/readyz", "/v2/health/live", "/v2/health/ready", "/openapi.json", "/", "/metrics"}) {
    BOOST_TEST(shared_worker().get(path).status == 200U, path);
  }
  BOOST_TEST(json_of(shared_worker().get("/openapi.json").body).at("openapi").as_string() == "3.1.0");
  const RawResponse missing = shared_worker().get("/nothing/here");
  BOOST_TEST(missing.status == 404U);
  BOOST_TEST(json_of(missing.body).at("error").at("type").as_string() == "not_found_error");
  BOOST_TEST(shared_worker().get("/v1/completions").status == 405U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
