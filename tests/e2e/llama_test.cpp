// The worker contract and the OpenAI routes over a socket with llama2_cpu on models/tiny-llama2.gguf, two sequences at
// a time. What the answers must be is what transformers made (tests/fixtures/tiny_llama2_reference).
#include <fstream>
#include <iterator>

#include "e2e/e2e.hpp"

namespace {

using namespace llorch::testing;  // NOLINT(google-build-using-namespace)
namespace json = boost::json;

constexpr const char* kModel = LLORCH_SOURCE_DIR "/models/tiny-llama2.gguf";
constexpr std::size_t kContext = 512;

std::unique_ptr<WorkerProcess>& llama_slot() {
  static std::unique_ptr<WorkerProcess> worker;
  return worker;
}
struct StopLlamaWorker {
  ~StopLlamaWorker() { llama_slot().reset(); }
};
BOOST_TEST_GLOBAL_FIXTURE(StopLlamaWorker);

/// Started by the first test that asks for it.
WorkerProcess& llama() {
  if (!llama_slot())
    llama_slot() = std::make_unique<WorkerProcess>(kModel, "llama2_cpu", std::vector<std::string>{"--slots", "2"});
  return *llama_slot();
}

std::string json_string(std::string_view text) {
  return json::serialize(json::string(text));
}

/// A prompt with its ids and its greedy continuation.
struct Reference {
  std::string prompt, text;
  json::array prompt_ids, ids;
};

Reference reference(std::string_view name) {
  std::ifstream in(LLORCH_SOURCE_DIR "/tests/fixtures/tiny_llama2_reference/manifest.json");
  const json::value manifest = json_of({std::istreambuf_iterator<char>(in), {}});
  for (const json::value& one : manifest.at("cases").as_array()) {
    if (one.at("name").as_string() != name) continue;
    // Decoding by itself takes away the space that the first word of the continuation has before it.
    return {std::string(one.at("prompt").as_string()), " " + std::string(one.at("greedy_text").as_string()),
            one.at("prompt_ids").as_array(), one.at("greedy_ids").as_array()};
  }
  BOOST_FAIL("the reference has no case " << name);
  return {};
}

std::string greedy_job(const std::string& id, const Reference& of, const std::string& more = {}) {
  return R"({"job_id":")" + id + R"(","prompt":)" + json_string(of.prompt) + R"(,"temperature":0,"max_tokens":)" +
         std::to_string(of.ids.size()) + more + "}";
}

json::value complete(const WorkerProcess& worker, const std::string& members) {
  const RawResponse response = worker.post("/v1/completions", "{" + members + "}");
  BOOST_TEST_REQUIRE(response.status == 200U, response.body);
  return json_of(response.body);
}

std::string text_of_choice(const json::value& completion, std::size_t choice = 0) {
  return std::string(completion.at("choices").at(choice).at("text").as_string());
}

std::int64_t cached_tokens(const json::value& completion) {
  return completion.at("usage").at("prompt_tokens_details").at("cached_tokens").as_int64();
}

BOOST_AUTO_TEST_SUITE(llama_end_to_end)

BOOST_AUTO_TEST_CASE(a_job_streams_the_text_of_the_reference_in_numbered_events) {
  for (const char* name : {"short", "long"}) {
    const Reference expected = reference(name);
    const std::string id = std::string("ref-") + name;
    const RawResponse response = llama().post("/execute", greedy_job(id, expected));
    BOOST_TEST_REQUIRE(response.status == 200U, response.body);
    BOOST_TEST(response.complete);
    const std::vector<Event> events = events_of(response.body);
    BOOST_TEST_REQUIRE(events.size() >= 3U);
    BOOST_TEST(events.front().name == "started");
    const json::value started = json_of(events.front().data);
    BOOST_TEST(started.at("job_id").as_string() == id);
    BOOST_TEST(started.at("model").as_string() == "tiny-llama2");
    std::int64_t index = 0;
    for (std::size_t i = 1; i + 1 < events.size(); ++i) {
      if (events[i].name == "metrics") continue;
      BOOST_TEST_REQUIRE(events[i].name == "token");
      BOOST_TEST(json_of(events[i].data).at("i").as_int64() == index++);
    }
    BOOST_TEST(text_of(events) == expected.text);
    BOOST_TEST(events.back().name == "end");
    const json::value end = json_of(events.back().data);
    BOOST_TEST(end.at("stop_reason").as_string() == "MAX_TOKENS");
    BOOST_TEST(end.at("tokens_out").as_int64() == static_cast<std::int64_t>(expected.ids.size()));
  }
}

BOOST_AUTO_TEST_CASE(a_prompt_has_the_ids_of_the_reference_and_as_ids_gives_the_same_text) {
  const Reference expected = reference("long");
  const RawResponse tokens =
      llama().post("/tokenize", R"({"add_special":true,"content":)" + json_string(expected.prompt) + "}");
  BOOST_TEST(json_of(tokens.body).at("tokens") == json::value(expected.prompt_ids));
  const json::value answer =
      complete(llama(), R"("temperature":0,"max_tokens":)" + std::to_string(expected.ids.size()) + R"(,"prompt":)" +
                            json::serialize(expected.prompt_ids));
  BOOST_TEST(text_of_choice(answer) == expected.text);
  BOOST_TEST(answer.at("usage").at("prompt_tokens") == json::value(expected.prompt_ids.size()));
}

BOOST_AUTO_TEST_CASE(a_stop_string_ends_the_text_before_it) {
  const Reference expected = reference("short");
  const std::string stop = "big, red ball";
  BOOST_TEST_REQUIRE(expected.text.find(stop) != std::string::npos);
  const auto events =
      events_of(llama().post("/execute", greedy_job("stop", expected, R"(,"stop":[)" + json_string(stop) + "]")).body);
  BOOST_TEST(text_of(events) == expected.text.substr(0, expected.text.find(stop)));
  const json::value end = json_of(events.back().data);
  BOOST_TEST(end.at("stop_reason").as_string() == "STOP_SEQUENCE");
  BOOST_TEST(end.at("stop_sequence_matched").as_string() == stop);
}

BOOST_AUTO_TEST_CASE(cancelling_a_job_ends_its_stream_with_cancelled) {
  // On a busy machine a job can be over before its cancellation arrives (404): then the next try counts.
  for (int attempt = 1;; ++attempt) {
    RawHttpClient client = llama().connect();
    client.send(WorkerProcess::post_text(
        "/execute",
        R"({"job_id":"c","prompt":"Once","max_tokens":500,"temperature":2,"seed":)" + std::to_string(attempt) + "}"));
    client.read_until("event: started");
    const RawResponse answer = llama().post("/cancel", R"({"job_id":"c"})");
    const std::string rest = client.read_to_end();
    if (answer.status == 404 && attempt < 20) continue;
    BOOST_TEST(answer.status == 200U);
    BOOST_TEST(rest.find(R"("stop_reason":"CANCELLED")") != std::string::npos, rest);
    break;
  }
}

BOOST_AUTO_TEST_CASE(an_echo_scores_a_prompt_as_generating_it_did) {
  const Reference expected = reference("short");
  constexpr std::size_t kCount = 24;
  const json::value generated = complete(
      llama(), R"("temperature":0,"logprobs":3,"max_tokens":24,"prompt":)" + json::serialize(expected.prompt_ids));
  json::array all = expected.prompt_ids;
  all.insert(all.end(), expected.ids.begin(), expected.ids.begin() + kCount);
  const json::value scored =
      complete(llama(), R"("echo":true,"logprobs":3,"max_tokens":0,"prompt":)" + json::serialize(all));
  const json::value& fresh = generated.at("choices").at(0).at("logprobs");
  const json::value& again = scored.at("choices").at(0).at("logprobs");
  BOOST_TEST_REQUIRE(fresh.at("tokens").as_array().size() == kCount);
  BOOST_TEST_REQUIRE(again.at("tokens").as_array().size() == all.size());
  BOOST_TEST(again.at("token_logprobs").at(0).is_null());
  for (std::size_t i = 0; i < kCount; ++i) {
    const std::size_t place = expected.prompt_ids.size() + i;
    for (const char* list : {"tokens", "token_logprobs", "top_logprobs"})
      BOOST_TEST(again.at(list).at(place) == fresh.at(list).at(i), list << "[" << i << "]");
  }
  BOOST_TEST(text_of_choice(scored).ends_with(expected.prompt + text_of_choice(generated)), text_of_choice(scored));
}

BOOST_AUTO_TEST_CASE(two_requests_at_once_get_the_bytes_that_each_gets_alone) {
  const std::string one = R"("prompt":"The cat sat by the door and","max_tokens":300,"ignore_eos":true,"seed":4)";
  const std::string other = R"("prompt":"Tom wanted a new kite","max_tokens":120,"ignore_eos":true,"seed":5)";
  const std::string one_alone = text_of_choice(complete(llama(), one));
  const std::string other_alone = text_of_choice(complete(llama(), other));
  const auto streamed = [](const std::string& members) {
    return WorkerProcess::post_text("/v1/completions", "{" + members + R"(,"stream":true})");
  };
  // On a busy machine the first can be over before the second begins: then the next try counts.
  for (int attempt = 1;; ++attempt) {
    RawHttpClient first = llama().connect();
    RawHttpClient second = llama().connect();
    first.send(streamed(one));
    second.send(streamed(other));
    double running = 0;
    for (int look = 0; look < 100 && running < 2; ++look)
      running = llama().metric("llorch_requests_running{model_name=\"tiny-llama2\"}");
    const auto of = [](RawHttpClient& client) { return text_of(events_of(client.read_response().body)); };
    const std::string first_text = of(first);
    const std::string second_text = of(second);
    BOOST_TEST(first_text == one_alone);
    BOOST_TEST(second_text == other_alone);
    if (running >= 2 || attempt == 20) {
      BOOST_TEST(running == 2);
      break;
    }
  }
}

BOOST_AUTO_TEST_CASE(the_same_request_again_reuses_the_prefix_and_gives_the_same_bytes) {
  const std::string members =
      R"("prompt":"A small fox lived under the hill with seven brothers","max_tokens":40,"seed":9,"logprobs":2)";
  const json::value first = complete(llama(), members);
  const json::value second = complete(llama(), members);
  BOOST_TEST(cached_tokens(first) == 0);
  BOOST_TEST(cached_tokens(second) == first.at("usage").at("prompt_tokens").as_int64() - 1);
  BOOST_TEST(second.at("choices") == first.at("choices"));
}

BOOST_AUTO_TEST_CASE(a_prompt_may_fill_the_context_and_not_a_token_more) {
  json::array ids{1};
  while (ids.size() < kContext)
    ids.push_back(json::value(300 + static_cast<std::int64_t>(ids.size() % 97)));
  const std::string rest = R"("max_tokens":5,"temperature":0,"prompt":)";
  const json::value full = complete(llama(), rest + json::serialize(ids));
  BOOST_TEST(full.at("usage").at("prompt_tokens").as_int64() == static_cast<std::int64_t>(kContext));
  BOOST_TEST(full.at("usage").at("completion_tokens").as_int64() == 1);  // the one that the last position predicts
  BOOST_TEST(full.at("choices").at(0).at("finish_reason").as_string() == "length");
  ids.push_back(1);
  const RawResponse beyond = llama().post("/v1/completions", "{" + rest + json::serialize(ids) + "}");
  BOOST_TEST(beyond.status == 400U);
  const json::value error = json_of(beyond.body).at("error");
  BOOST_TEST(error.at("code").as_string() == "context_length_exceeded");
  BOOST_TEST(error.at("message").as_string() == "prompt has 513 tokens, the context holds 512");
}

BOOST_AUTO_TEST_CASE(a_quantized_kv_cache_takes_less_memory_and_answers_the_same_twice) {
  WorkerProcess worker(kModel, "llama2_cpu", {"--slots", "2", "--kv-type", "q8_0"});
  BOOST_TEST(worker.process.wait_for_errors("KV cache q8_0"), worker.process.errors);
  const auto ram = [](const WorkerProcess& of) { return json_of(of.get("/health").body).at("ram_bytes").as_int64(); };
  BOOST_TEST(ram(worker) < ram(llama()));
  const Reference expected = reference("short");
  const std::string members =
      R"("temperature":0,"max_tokens":60,"logprobs":1,"prompt":)" + json_string(expected.prompt);
  const json::value first = complete(worker, members);
  const json::value second = complete(worker, members);
  BOOST_TEST(second.at("choices") == first.at("choices"));
  BOOST_TEST(cached_tokens(second) > 0);
  // The cache is rounded, so far tokens may differ from the reference; the first clause does not.
  BOOST_TEST(text_of_choice(first).starts_with(" Max loved to play with his toys"), text_of_choice(first));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
