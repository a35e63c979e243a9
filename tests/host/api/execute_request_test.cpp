#include "api/execute_request.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include "base/json.hpp"

namespace {

BOOST_AUTO_TEST_SUITE(execute_request)

using llorch::api::parse_execute_request;

std::string body_with(const std::string& member) {
  return R"({"job_id":"j","prompt":"hello","max_tokens":5)" + (member.empty() ? "" : "," + member) + "}";
}

struct BadMember {
  const char* member;
  const char* field;
  const char* constraint;
};

std::ostream& operator<<(std::ostream& out, const BadMember& bad) {
  return out << bad.member;
}

const std::vector<BadMember> kBadMembers = {
    {R"("temperature":-0.1)", "temperature", "range(0..=2)"},
    {R"("temperature":2.1)", "temperature", "range(0..=2)"},
    {R"("temperature":"1")", "temperature", "number"},
    {R"("temperature":null)", "temperature", "number"},
    {R"("top_p":1.5)", "top_p", "range(0..=1)"},
    {R"("top_p":true)", "top_p", "number"},
    {R"("top_k":-1)", "top_k", "range(0..=4294967295)"},
    {R"("top_k":1.5)", "top_k", "integer"},
    {R"("top_k":4294967296)", "top_k", "range(0..=4294967295)"},
    {R"("min_p":-1)", "min_p", "range(0..=1)"},
    {R"("repetition_penalty":3)", "repetition_penalty", "range(0..=2)"},
    {R"("seed":-1)", "seed", "range(0..=18446744073709551615)"},
    {R"("seed":1.0)", "seed", "integer"},
    {R"("stop":"x")", "stop", "array of strings"},
    {R"("stop":["a","b","c","d","e"])", "stop", "items(0..=4)"},
    {R"("stop":["a",""])", "stop[1]", "bytes(1..=100)"},
    {R"("stop":[7])", "stop[0]", "string"},
};

BOOST_AUTO_TEST_CASE(a_minimal_body_gets_the_defaults_of_the_contract) {
  const auto parsed = parse_execute_request(body_with(""));
  BOOST_TEST_REQUIRE(parsed.faults.empty());
  const auto& request = parsed.request;
  BOOST_TEST(request.job_id == "j");
  BOOST_TEST(request.prompt == "hello");
  BOOST_TEST(request.max_tokens == 5U);
  BOOST_TEST(request.sampling.temperature == 1.0F);
  BOOST_TEST(request.sampling.top_p == 1.0F);
  BOOST_TEST(request.sampling.top_k == 0U);
  BOOST_TEST(request.sampling.min_p == 0.0F);
  BOOST_TEST(request.sampling.repetition_penalty == 1.0F);
  BOOST_TEST(request.sampling.seed == 42U);
  BOOST_TEST(request.stop.empty());
}

BOOST_AUTO_TEST_CASE(every_field_arrives_as_given) {
  const auto parsed =
      parse_execute_request(body_with(R"("temperature":0,"top_p":0.5,"top_k":40,"min_p":0.05,"repetition_penalty":1.5,)"
                                      R"("seed":18446744073709551615,"stop":["a","\n\n"])"));
  BOOST_TEST_REQUIRE(parsed.faults.empty());
  const auto& sampling = parsed.request.sampling;
  BOOST_TEST(sampling.temperature == 0.0F);
  BOOST_TEST(sampling.top_p == 0.5F);
  BOOST_TEST(sampling.top_k == 40U);
  BOOST_TEST(sampling.min_p == 0.05F);
  BOOST_TEST(sampling.repetition_penalty == 1.5F);
  BOOST_TEST(sampling.seed == 18446744073709551615ULL);
  BOOST_TEST(parsed.request.stop == (std::vector<std::string>{"a", "\n\n"}), boost::test_tools::per_element());
}

BOOST_DATA_TEST_CASE(a_bad_member_is_named_with_its_constraint, boost::unit_test::data::make(kBadMembers), bad) {
  const auto parsed = parse_execute_request(body_with(bad.member));
  BOOST_TEST_REQUIRE(parsed.faults.size() == 1U);
  BOOST_TEST(parsed.faults[0].field == bad.field);
  BOOST_TEST(parsed.faults[0].constraint == bad.constraint);
  BOOST_TEST(!parsed.faults[0].message.empty());
}

BOOST_AUTO_TEST_CASE(all_faults_of_a_body_are_reported_at_once) {
  const auto parsed =
      parse_execute_request(R"({"job_id":"","max_tokens":4096,"temperature":9,"top_k":-3,"stop":[""]})");
  std::vector<std::string> fields;
  for (const auto& fault : parsed.faults)
    fields.push_back(fault.field);
  const std::vector<std::string> expected = {"job_id", "prompt", "max_tokens", "temperature", "top_k", "stop[0]"};
  BOOST_TEST(fields == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_prompt_is_measured_in_characters_and_not_in_bytes) {
  std::string euros;
  for (int i = 0; i < 32768; ++i)
    euros += "\xE2\x82\xAC";
  const auto fits = parse_execute_request(R"({"job_id":"j","max_tokens":1,"prompt":")" + euros + "\"}");
  BOOST_TEST(fits.faults.empty());
  const auto exceeds = parse_execute_request(R"({"job_id":"j","max_tokens":1,"prompt":"x)" + euros + "\"}");
  BOOST_TEST_REQUIRE(exceeds.faults.size() == 1U);
  BOOST_TEST(exceeds.faults[0].constraint == "characters(1..=32768)");
  BOOST_TEST(exceeds.faults[0].value.as_uint64() == 32769U);
}

BOOST_AUTO_TEST_CASE(faults_never_repeat_the_prompt) {
  const std::string secret = "tell nobody";
  for (const std::string& prompt : {"[\"" + secret + "\"]", "{\"" + secret + "\":1}"}) {
    const auto parsed = parse_execute_request(R"({"job_id":"j","max_tokens":0,"prompt":)" + prompt + "}");
    BOOST_TEST(parsed.faults.size() == 2U);
    const std::string text = llorch::api::faults_json(parsed.faults);
    BOOST_TEST(text.find(secret) == std::string::npos, text);
  }
}

BOOST_AUTO_TEST_CASE(unknown_fields_are_ignored_and_listed_without_control_characters) {
  const auto parsed = parse_execute_request(body_with(R"("colour\n":"red","x":1)"));
  BOOST_TEST(parsed.faults.empty());
  BOOST_TEST(parsed.ignored == (std::vector<std::string>{"colour?", "x"}), boost::test_tools::per_element());
}

const std::vector<std::string> kNotAnObject = {"",
                                               "{",
                                               "[]",
                                               "null",
                                               "\"x\"",
                                               "{\"job_id\":1e400}",
                                               "{\"seed\":18446744073709551616}",
                                               "{\"job_id\":\"a\",\"job_id\":\"b\"}",
                                               "{\"job_id\":\"\xFF\"}",
                                               "{\"job_id\":\"\\ud800\"}",
                                               "{\"temperature\":NaN}",
                                               "{} {}"};

BOOST_DATA_TEST_CASE(a_body_that_is_no_strict_json_object_is_one_fault_of_the_whole,
                     boost::unit_test::data::make(kNotAnObject), body) {
  const auto parsed = parse_execute_request(body);
  BOOST_TEST_REQUIRE(parsed.faults.size() == 1U);
  BOOST_TEST(parsed.faults[0].field == "");
}

BOOST_AUTO_TEST_CASE(faults_are_written_in_the_shape_of_the_contract) {
  const auto parsed = parse_execute_request(R"({"job_id":"j","prompt":"p","max_tokens":4096})");
  BOOST_TEST(llorch::api::faults_json(parsed.faults) ==
             R"_({"errors":[{"field":"max_tokens","constraint":"range(1..=2048)",)_"
             R"("message":"max_tokens must be an integer from 1 to 2048","value":4096}]})");
}

BOOST_AUTO_TEST_CASE(a_long_value_is_cut_in_a_fault) {
  const auto parsed = parse_execute_request(body_with("\"temperature\":\"" + std::string(5000, 'x') + "\""));
  const std::string text = llorch::api::faults_json(parsed.faults);
  BOOST_TEST(text.size() < 400U);
  BOOST_TEST(text.find("string of 5000 bytes") != std::string::npos, text);
}

BOOST_AUTO_TEST_CASE(a_cancel_request_needs_a_job_id) {
  BOOST_TEST(llorch::api::parse_cancel_request(R"({"job_id":"j"})").request.job_id == "j");
  BOOST_TEST(llorch::api::parse_cancel_request("{}").faults.size() == 1U);
  BOOST_TEST(llorch::api::parse_cancel_request(R"({"job_id":""})").faults.size() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
