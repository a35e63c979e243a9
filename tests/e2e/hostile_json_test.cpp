// Bodies meant to break a parser or its reader: a 400 each, in bounded time, and the worker goes on.
#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>

#include "e2e/e2e.hpp"

namespace {

using namespace llorch::testing;  // NOLINT(google-build-using-namespace)

std::string nested(std::size_t depth) {
  return R"({"prompt":)" + std::string(depth, '[') + std::string(depth, ']') + "}";
}

std::string execute_with(const std::string& member) {
  return R"({"job_id":"h","prompt":"x","max_tokens":1,)" + member + "}";
}

struct Hostile {
  const char* what;
  std::string path, body;
};
std::ostream& operator<<(std::ostream& out, const Hostile& hostile) {
  return out << hostile.what;
}

const std::vector<Hostile> kHostile = {
    {"empty body", "/execute", ""},
    {"half an object", "/v1/completions", R"({"prompt":"x")"},
    {"text after the object", "/execute", R"({"job_id":"a","prompt":"x","max_tokens":1} x)"},
    {"nesting over 32", "/v1/completions", nested(33)},
    {"nesting of 100,000", "/v1/completions", nested(100'000)},
    {"1e400", "/execute", execute_with(R"("temperature":1e400)")},
    {"2^64", "/execute", execute_with(R"("seed":18446744073709551616)")},
    {"NaN", "/execute", execute_with(R"("temperature":NaN)")},
    {"Infinity", "/execute", execute_with(R"("temperature":-Infinity)")},
    {"a key twice", "/execute", execute_with(R"("seed":1,"seed":2)")},
    {"invalid UTF-8", "/execute", execute_with("\"stop\":[\"\xC3\x28\"]")},
    {"overlong UTF-8", "/execute", execute_with("\"stop\":[\"\xC0\xAF\"]")},
    {"lone surrogate", "/execute", execute_with(R"("stop":["\ud800"])")},
    {"raw control character", "/execute", execute_with("\"stop\":[\"\x01\"]")},
    {"n of a million", "/v1/completions", R"({"prompt":"x","n":1000000})"},
    {"negative max_tokens", "/execute", R"({"job_id":"h","prompt":"x","max_tokens":-1})"},
    {"negative max_tokens", "/v1/completions", R"({"prompt":"x","max_tokens":-1})"},
    {"negative top_k", "/execute", execute_with(R"("top_k":-1)")},
    {"negative top_k", "/v1/completions", R"({"prompt":"x","top_k":-1})"},
    {"negative seed", "/execute", execute_with(R"("seed":-1)")},
    {"negative seed", "/v1/completions", R"({"prompt":"x","seed":-1})"},
    {"token id out of range", "/v1/completions", R"({"prompt":[1000000]})"},
    {"negative token id", "/v1/completions", R"({"prompt":[-1]})"},
    {"token id out of range", "/detokenize", R"({"tokens":[1000000]})"},
    {"bias of a token out of range", "/v1/completions", R"({"prompt":"x","logit_bias":{"99999999999999":1}})"},
    {"a prompt over the characters", "/execute",
     R"({"job_id":"h","max_tokens":1,"prompt":")" + std::string(32769, 'x') + "\"}"},
    {"1 MB of one character", "/v1/completions", R"({"prompt":")" + std::string(1'000'000, 'a') + "\"}"},
    {"1 MB of spaces", "/v1/completions", R"({"prompt":")" + std::string(1'000'000, ' ') + "\"}"},
};

BOOST_AUTO_TEST_SUITE(hostile_json)

BOOST_DATA_TEST_CASE(is_refused_with_400, boost::unit_test::data::make(kHostile), hostile) {
  const auto begin = std::chrono::steady_clock::now();
  const RawResponse response = shared_worker().post(hostile.path, hostile.body);
  BOOST_TEST(response.status == 400U, hostile.what << ": " << response.status << " " << response.body);
  const auto body = json_of(response.body).as_object();
  BOOST_TEST(body.contains(hostile.path == "/execute" ? "errors" : "error"));
  BOOST_TEST((std::chrono::steady_clock::now() - begin < std::chrono::seconds(30)));
}

BOOST_AUTO_TEST_CASE(the_worker_is_healthy_afterwards) {
  BOOST_TEST(shared_worker().get("/health").status == 200U);
  BOOST_TEST(shared_worker().post("/v1/completions", R"({"prompt":"x","max_tokens":1})").status == 200U);
}

BOOST_AUTO_TEST_CASE(a_megabyte_is_tokenized) {
  const RawResponse response =
      shared_worker().post("/tokenize", R"({"content":")" + std::string(1'000'000, 'a') + "\"}");
  BOOST_TEST(response.status == 200U);
  BOOST_TEST(json_of(response.body).at("count").as_int64() > 1000);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
