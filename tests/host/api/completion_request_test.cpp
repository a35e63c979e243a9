#include "api/completion_request.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

namespace {

BOOST_AUTO_TEST_SUITE(completion_request)

using llorch::api::CompletionRequest;
using llorch::api::Parsed;
using llorch::api::Prompt;

constexpr llorch::api::CompletionLimits kLimits{100, 8};

Parsed<CompletionRequest> parse(const std::string& body) {
  return llorch::api::parse_completion_request(body, kLimits);
}

Parsed<CompletionRequest> parse_with(const std::string& member) {
  return parse(R"({"prompt":"hello")" + (member.empty() ? "" : "," + member) + "}");
}

BOOST_AUTO_TEST_CASE(a_prompt_alone_gets_openai_defaults) {
  const auto parsed = parse_with("");
  BOOST_TEST_REQUIRE(parsed.faults.empty());
  const CompletionRequest& request = parsed.request;
  BOOST_TEST(request.max_tokens == 16U);
  BOOST_TEST(request.n == 1U);
  BOOST_TEST(request.sampling.temperature == 1.0F);
  BOOST_TEST(!request.stream);
  BOOST_TEST(!request.echo);
  BOOST_TEST(!request.logprobs.has_value());
  BOOST_TEST(!request.has_seed);
}

struct GoodPrompt {
  const char* json;
  std::vector<Prompt> prompts;
};
std::ostream& operator<<(std::ostream& out, const GoodPrompt& good) {
  return out << good.json;
}

using Ids = std::vector<std::int32_t>;
const std::vector<GoodPrompt> kGoodPrompts = {
    {R"("text")", {Prompt("text")}},
    {R"("")", {Prompt("")}},
    {R"(["a","b"])", {Prompt("a"), Prompt("b")}},
    {"[1,2,99]", {Prompt(Ids{1, 2, 99})}},
    {"[[1],[2,3]]", {Prompt(Ids{1}), Prompt(Ids{2, 3})}},
};

BOOST_DATA_TEST_CASE(prompts_come_as_text_or_ids_one_or_many, boost::unit_test::data::make(kGoodPrompts), good) {
  const auto parsed = parse(std::string(R"({"prompt":)") + good.json + "}");
  BOOST_TEST(parsed.faults.empty(), llorch::api::faults_line(parsed.faults));
  BOOST_TEST((parsed.request.prompts == good.prompts));
}

struct Bad {
  const char* json;
  const char* field;
};
std::ostream& operator<<(std::ostream& out, const Bad& bad) {
  return out << bad.json;
}

const std::vector<Bad> kBadPrompts = {
    {"7", "prompt"},
    {"[]", "prompt"},
    {"{}", "prompt"},
    {"[100]", "prompt[0]"},
    {"[1,-1]", "prompt[1]"},
    {"[1,\"a\"]", "prompt[1]"},
    {"[1.5]", "prompt[0]"},
    {"[[1],[]]", "prompt[1]"},
    {"[[1],[7,100]]", "prompt[1][1]"},
    {"[\"a\",1]", "prompt[1]"},
    {"[null]", "prompt[0]"},
    {"[[1],\"a\"]", "prompt[1]"},
};

BOOST_DATA_TEST_CASE(a_prompt_of_another_shape_is_a_fault_at_its_place, boost::unit_test::data::make(kBadPrompts),
                     bad) {
  const auto parsed = parse(std::string(R"({"prompt":)") + bad.json + "}");
  BOOST_TEST_REQUIRE(parsed.faults.size() == 1U);
  BOOST_TEST(parsed.faults[0].field == bad.field);
}

const std::vector<Bad> kBadMembers = {
    {R"("n":0)", "n"},
    {R"("n":17)", "n"},
    {R"("n":1000000)", "n"},
    {R"("n":9)", "prompt"},
    {R"("max_tokens":-1)", "max_tokens"},
    {R"("max_tokens":0)", "max_tokens"},
    {R"("max_tokens":1.5)", "max_tokens"},
    {R"("top_k":-1)", "top_k"},
    {R"("seed":-1)", "seed"},
    {R"("temperature":2.5)", "temperature"},
    {R"("presence_penalty":-3)", "presence_penalty"},
    {R"("frequency_penalty":"1")", "frequency_penalty"},
    {R"("logprobs":21)", "logprobs"},
    {R"("logprobs":true)", "logprobs"},
    {R"("stream":1)", "stream"},
    {R"("stop":[""])", "stop[0]"},
    {R"("stop":{})", "stop"},
    {R"("stream_options":[])", "stream_options"},
    {R"("stream_options":{"include_usage":1})", "include_usage"},
    {R"("logit_bias":[])", "logit_bias"},
    {R"("logit_bias":{"100":1})", "logit_bias"},
    {R"("logit_bias":{"-1":1})", "logit_bias"},
    {R"("logit_bias":{"x":1})", "logit_bias"},
    {R"("logit_bias":{"5":101})", "logit_bias[\"5\"]"},
    {R"("logit_bias":{"5":"1"})", "logit_bias[\"5\"]"},
    {R"("suffix":"end")", "suffix"},
    {R"("best_of":3)", "best_of"},
    {R"("tools":[{}])", "tools"},
    {R"("response_format":{"type":"json_object"})", "response_format"},
    {R"("messages":[{"role":"user","content":"a"}])", "messages"},
    {R"("top_logprobs":3)", "top_logprobs"},
    {R"("add_generation_prompt":true)", "add_generation_prompt"},
};

BOOST_DATA_TEST_CASE(a_bad_member_is_named, boost::unit_test::data::make(kBadMembers), bad) {
  const auto parsed = parse_with(bad.json);
  BOOST_TEST_REQUIRE(parsed.faults.size() == 1U, llorch::api::faults_line(parsed.faults));
  BOOST_TEST(parsed.faults[0].field == bad.field);
}

BOOST_AUTO_TEST_CASE(null_and_neutral_values_of_optional_fields_count_as_not_given) {
  const auto parsed = parse_with(
      R"("max_tokens":null,"temperature":null,"stop":null,"seed":null,"logprobs":null,"suffix":null,"best_of":1,)"
      R"("logit_bias":null,"stream_options":null,"user":"someone","response_format":null,"tools":[],)"
      R"("messages":[],"top_logprobs":0,"add_generation_prompt":false)");
  BOOST_TEST(parsed.faults.empty(), llorch::api::faults_line(parsed.faults));
  BOOST_TEST(parsed.ignored.empty());
  BOOST_TEST(parsed.request.max_tokens == 16U);
}

BOOST_AUTO_TEST_CASE(every_field_arrives_as_given) {
  const auto parsed = parse_with(
      R"("model":"m","max_completion_tokens":7,"n":2,"best_of":2,"echo":true,"logprobs":5,"stream":true,)"
      R"("stream_options":{"include_usage":true},"seed":18446744073709551615,"stop":"\n","ignore_eos":true,)"
      R"("logit_bias":{"5":-100,"6":1.5},"presence_penalty":-2,"frequency_penalty":2,"repetition_penalty":1.25)");
  BOOST_TEST_REQUIRE(parsed.faults.empty(), llorch::api::faults_line(parsed.faults));
  const CompletionRequest& request = parsed.request;
  BOOST_TEST(request.model == "m");
  BOOST_TEST(request.max_tokens == 7U);
  BOOST_TEST(request.n == 2U);
  BOOST_TEST(request.echo);
  BOOST_TEST(request.logprobs.value() == 5U);
  BOOST_TEST(request.stream);
  BOOST_TEST(request.include_usage);
  BOOST_TEST(request.has_seed);
  BOOST_TEST(request.sampling.seed == 18446744073709551615ULL);
  BOOST_TEST(request.stop == std::vector<std::string>{"\n"}, boost::test_tools::per_element());
  BOOST_TEST(request.ignore_eos);
  BOOST_TEST_REQUIRE(request.sampling.logit_bias.size() == 2U);
  BOOST_TEST(request.sampling.logit_bias[0].first == 5);
  BOOST_TEST(request.sampling.logit_bias[0].second == -100.0F);
  BOOST_TEST(request.sampling.presence_penalty == -2.0F);
  BOOST_TEST(request.sampling.frequency_penalty == 2.0F);
  BOOST_TEST(request.sampling.repetition_penalty == 1.25F);
}

BOOST_AUTO_TEST_CASE(no_tokens_at_all_are_allowed_with_echo) {
  BOOST_TEST(parse_with(R"("max_tokens":0,"echo":true)").faults.empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
