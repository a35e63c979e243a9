// `llorch-host complete` as a user runs it.
#include "e2e/e2e.hpp"

namespace {

using namespace llorch::testing;  // NOLINT(google-build-using-namespace)
namespace json = boost::json;

Outcome complete(const std::vector<std::string>& flags, const std::string& input = {}) {
  std::vector<std::string> arguments = {host_binary(), "complete", "--model", tiny_model(), "--plugin", "gpt2_cpu"};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  return run_to_end(arguments, {}, input);
}

BOOST_AUTO_TEST_SUITE(complete_subcommand)

BOOST_AUTO_TEST_CASE(text_goes_to_standard_output_and_nothing_to_standard_error) {
  const Outcome outcome = complete({"Once upon a time", "-n", "20", "--temperature", "0"});
  BOOST_TEST(outcome.code == 0, outcome.errors);
  BOOST_TEST(outcome.output.size() > 20U);
  BOOST_TEST(outcome.errors.empty(), outcome.errors);
}

BOOST_AUTO_TEST_CASE(json_is_one_object_that_agrees_with_the_text_and_the_server) {
  const Outcome plain = complete({"Once upon a time", "-n", "20", "--seed", "5"});
  const Outcome outcome = complete({"Once upon a time", "-n", "20", "--seed", "5", "--json"});
  const json::value answer = json_of(outcome.output);
  BOOST_TEST(std::string(answer.at("text").as_string()) + "\n" == plain.output);
  BOOST_TEST(answer.at("ids").as_array().size() == 20U);
  BOOST_TEST(answer.at("logprobs").as_array().size() == 20U);
  for (const json::value& logprob : answer.at("logprobs").as_array())
    BOOST_TEST(logprob.to_number<double>() <= 0);
  BOOST_TEST(answer.at("stop_reason").as_string() == "MAX_TOKENS");
  BOOST_TEST(answer.at("timings").at("load_ms").to_number<double>() > 0);
  const RawResponse served = shared_worker().post(
      "/v1/completions", R"({"prompt":)" + json::serialize(answer.at("prompt_ids")) + R"(,"max_tokens":20,"seed":5})");
  BOOST_TEST(std::string(json_of(served.body).at("choices").at(0).at("text").as_string()) ==
             std::string(answer.at("text").as_string()));
}

BOOST_AUTO_TEST_CASE(a_dash_reads_the_prompt_from_standard_input) {
  const std::vector<std::string> rest = {"-n", "10", "--temperature", "0"};
  std::vector<std::string> direct = {"Once upon a time"};
  std::vector<std::string> piped = {"-"};
  direct.insert(direct.end(), rest.begin(), rest.end());
  piped.insert(piped.end(), rest.begin(), rest.end());
  BOOST_TEST(complete(piped, "Once upon a time").output == complete(direct).output);
}

BOOST_AUTO_TEST_CASE(threads_do_not_change_the_text) {
  const Outcome one = complete({"Once upon a time", "-n", "40", "--threads", "1"});
  const Outcome two = complete({"Once upon a time", "-n", "40", "--threads", "2"});
  BOOST_TEST(one.output == two.output);
}

BOOST_AUTO_TEST_CASE(a_prompt_beyond_the_context_and_a_missing_model_are_one_line) {
  std::string words;
  for (int i = 0; i < 2000; ++i)
    words += "word ";
  const Outcome outcome = complete({words});
  BOOST_TEST(outcome.code == 1);
  BOOST_TEST(outcome.errors.find("the context holds 512") != std::string::npos, outcome.errors);
  ChildProcess missing({host_binary(), "complete", "--model", "/nonexistent", "x"});
  BOOST_TEST(missing.wait().value_or(-1) == 1);
  BOOST_TEST(std::count(missing.errors.begin(), missing.errors.end(), '\n') == 1, missing.errors);
}

BOOST_AUTO_TEST_CASE(a_seed_out_of_range_is_a_usage_error) {
  for (const char* seed : {"-1", "18446744073709551616", "1.5"}) {
    const Outcome outcome = complete({"Once", "-n", "1", "--seed", seed});
    BOOST_TEST(outcome.code == 2, seed << ": " << outcome.errors);
    BOOST_TEST(outcome.errors.find("0..18446744073709551615") != std::string::npos, outcome.errors);
  }
}

BOOST_AUTO_TEST_CASE(a_stop_takes_one_text_and_leaves_the_prompt_alone) {
  const Outcome outcome = complete({"--stop", "zzz", "Once upon", "-n", "2"});
  BOOST_TEST(outcome.code == 0, outcome.errors);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
