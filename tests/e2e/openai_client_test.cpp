// The official OpenAI package for Python against the real worker, where a Python has it: $LLORCH_PYTHON, else python3.
#include <algorithm>
#include <cstdlib>

#include "e2e/e2e.hpp"
#include "support/skip.hpp"
#include "support/temporary_directory.hpp"

namespace {

using namespace llorch::testing;  // NOLINT(google-build-using-namespace)
namespace json = boost::json;

std::string variable(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

Outcome run_python(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"/usr/bin/env", variable("LLORCH_PYTHON", "python3")});
  return run_to_end(arguments, {"PATH=" + variable("PATH", "/usr/bin:/bin"), "PYTHONDONTWRITEBYTECODE=1"}, {},
                    std::chrono::seconds(180));
}

/// True where the package is; otherwise the case is skipped by name.
bool package_is_there() {
  static bool there = run_python({"-c", "import openai"}).code == 0;
  if (!there) {
    skip_this_case("the Python package openai is not installed for " + variable("LLORCH_PYTHON", "python3") +
                   " (LLORCH_PYTHON names another Python)");
  }
  return there;
}

Outcome drive(const WorkerProcess& worker, const std::string& key) {
  return run_python({LLORCH_SOURCE_DIR "/tests/e2e/openai_client.py",
                     "http://127.0.0.1:" + std::to_string(worker.port) + "/v1", key});
}

/// What the client saw of the shared worker; made by the first case that asks.
const json::value& seen() {
  static json::value value = [] {
    const Outcome outcome = drive(shared_worker(), "any");
    BOOST_TEST_REQUIRE(outcome.code == 0, outcome.errors);
    return json_of(outcome.output.substr(0, outcome.output.find('\n')));
  }();
  return value;
}

json::value choice_of(const std::string& path, const std::string& body) {
  const RawResponse response = shared_worker().post(path, body);
  BOOST_TEST_REQUIRE(response.status == 200U, response.body);
  return json_of(response.body).at("choices").at(0);
}

BOOST_AUTO_TEST_SUITE(openai_python_client)

BOOST_AUTO_TEST_CASE(it_lists_and_retrieves_the_model) {
  if (!package_is_there()) return;
  BOOST_TEST(seen().at("models").as_array().size() == 1U);
  BOOST_TEST(seen().at("models").at(0).as_string() == "tiny-gpt2");
  BOOST_TEST(seen().at("retrieved").as_string() == "tiny-gpt2");
}

BOOST_AUTO_TEST_CASE(a_completion_is_what_a_plain_request_gets_streamed_or_not) {
  if (!package_is_there()) return;
  const json::value choice =
      choice_of("/v1/completions", R"({"prompt":"Once upon a time","max_tokens":24,"temperature":0.7,"seed":11})");
  for (const char* form : {"completion", "completion_stream"}) {
    BOOST_TEST_CONTEXT(form) {
      BOOST_TEST(seen().at(form).at("text").as_string() == choice.at("text").as_string());
      BOOST_TEST(seen().at(form).at("finish").as_string() == choice.at("finish_reason").as_string());
      BOOST_TEST(seen().at(form).at("tokens").as_int64() == 24);
    }
  }
  BOOST_TEST(seen().at("completion_stream").at("chunks").as_int64() > 10);
  BOOST_TEST(seen().at("logprobs").at("tokens").as_int64() == 3);
  BOOST_TEST(seen().at("logprobs").at("top").as_array().size() == 3U);
}

BOOST_AUTO_TEST_CASE(a_chat_is_what_a_plain_request_gets_streamed_or_not) {
  if (!package_is_there()) return;
  const json::value choice =
      choice_of("/v1/chat/completions", R"({"messages":[{"role":"user","content":"Tell me a story."}],)"
                                        R"("max_completion_tokens":24,"temperature":0.7,"seed":11})");
  for (const char* form : {"chat", "chat_stream"}) {
    BOOST_TEST_CONTEXT(form) {
      BOOST_TEST(seen().at(form).at("text").as_string() == choice.at("message").at("content").as_string());
      BOOST_TEST(seen().at(form).at("role").as_string() == "assistant");
      BOOST_TEST(seen().at(form).at("finish").as_string() == choice.at("finish_reason").as_string());
      BOOST_TEST(seen().at(form).at("tokens").as_int64() > 0);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_wrong_value_and_an_unknown_model_raise_its_own_exceptions) {
  if (!package_is_there()) return;
  BOOST_TEST_REQUIRE(seen().as_object().contains("bad_request"));
  BOOST_TEST(seen().at("bad_request").at("param").as_string() == "temperature");
  BOOST_TEST(seen().at("bad_request").at("type").as_string() == "invalid_request_error");
  BOOST_TEST_REQUIRE(seen().as_object().contains("not_found"));
  BOOST_TEST(seen().at("not_found").at("type").as_string() == "not_found_error");
}

BOOST_AUTO_TEST_CASE(its_api_key_is_the_workers) {
  if (!package_is_there()) return;
  const TemporaryDirectory directory;
  const std::string file = directory.write("key", "secret-key-1\n");
  std::filesystem::permissions(file, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  const WorkerProcess worker({"--api-key-file", file}, {});
  const Outcome right = drive(worker, "secret-key-1");
  BOOST_TEST(right.code == 0, right.errors);
  const Outcome wrong = drive(worker, "secret-key-2");
  BOOST_TEST(wrong.code != 0);
  BOOST_TEST(wrong.errors.find("openai.AuthenticationError") != std::string::npos, wrong.errors);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
