// A worker with a GPU, over sockets: which device it takes, what it says of that device's memory, and what becomes of
// requests when the device fails or their clients leave. llama2_cuda on the emulation of CUDA with
// models/tiny-llama2.gguf.
#include <algorithm>
#include <filesystem>
#include <future>

#include "e2e/callback_receiver.hpp"
#include "e2e/e2e.hpp"

namespace {

using namespace llorch::testing;  // NOLINT(google-build-using-namespace)
namespace json = boost::json;

constexpr const char* kModel = LLORCH_SOURCE_DIR "/models/tiny-llama2.gguf";
constexpr const char* kGreedy = R"({"prompt":"Once upon a time","max_tokens":4,"temperature":0})";

using Strings = std::vector<std::string>;

WorkerProcess start(const Strings& flags = {}, const Strings& environment = {}) {
  return {kModel, LLORCH_EMULATED_PLUGIN, flags, environment};
}

json::value health(const WorkerProcess& worker) {
  return json_of(worker.get("/health").body);
}

std::int64_t number(const json::value& of, const char* name) {
  return of.at(name).to_number<std::int64_t>();
}

std::int64_t memory_metric(const WorkerProcess& worker, const std::string& where) {
  return static_cast<std::int64_t>(
      worker.metric(R"(llorch_memory_bytes{model_name="tiny-llama2",device=")" + where + "\"}"));
}

/// What the plugin itself says before anything is allocated.
json::value estimate(const std::string& context, const std::string& kv_type) {
  ChildProcess inspect({host_binary(), "inspect", kModel, "--json", "--context", context, "--kv-type", kv_type,
                        "--plugin-dir", std::filesystem::path(LLORCH_EMULATED_PLUGIN).parent_path().string()});
  BOOST_TEST_REQUIRE(inspect.wait().value_or(-1) == 0, inspect.errors);
  const json::value report = json_of(inspect.output);
  for (const json::value& one : report.at("memory").as_array())
    if (one.at("plugin").as_string() == "llama2_cuda_emulated") return one;
  BOOST_FAIL("inspect does not list the plugin: " << inspect.output);
  return {};
}

/// Exit code and standard error of a worker that cannot start.
std::pair<int, std::string> refusal(const Strings& flags, const Strings& environment) {
  Strings arguments = {host_binary(), "serve", "--port", "0", "--model", kModel, "--plugin", LLORCH_EMULATED_PLUGIN};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  const Outcome outcome = run_to_end(arguments, environment);
  return {outcome.code, outcome.errors};
}

std::string greedy_text(const WorkerProcess& worker) {
  const RawResponse response = worker.post("/v1/completions", kGreedy);
  BOOST_TEST_REQUIRE(response.status == 200U, response.body);
  return std::string(json_of(response.body).at("choices").at(0).at("text").as_string());
}

void wait_until_idle(const WorkerProcess& worker) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  double running = 1;
  while (running > 0 && std::chrono::steady_clock::now() < deadline)
    running = worker.metric("llorch_requests_running{model_name=\"tiny-llama2\"}");
  BOOST_TEST(running == 0);
}

BOOST_AUTO_TEST_SUITE(gpu_end_to_end)

BOOST_AUTO_TEST_CASE(the_bytes_on_the_device_are_told_to_the_callback_by_health_in_metrics_and_in_streams) {
  const ListeningSocket listener;
  auto requests = std::async(std::launch::async, [&] { return receive_callbacks(listener.fd, {"204"}); });
  const WorkerProcess worker =
      start({"--context", "256", "--callback-url", "http://127.0.0.1:" + std::to_string(listener.port) + "/"});
  const Strings received = requests.get();
  BOOST_TEST_REQUIRE(received.size() == 1U);
  const json::value told = json_of(received[0].substr(received[0].find("\r\n\r\n") + 4));
  const json::value said = health(worker);
  const json::value expected = estimate("256", "default");

  const std::int64_t vram = number(said, "vram_bytes");
  const std::int64_t kept = number(expected, "weights") + number(expected, "kv");
  BOOST_TEST(vram > kept);
  // Beside what the estimate has, a worker scores prompts: logits of 64 rows more, less than a megabyte here.
  constexpr std::int64_t kScored = 1'000'000;
  BOOST_TEST(vram <= number(expected, "on_device") + kScored);
  BOOST_TEST(number(told, "vram_bytes") == vram);
  BOOST_TEST(memory_metric(worker, "accelerator") == vram);

  // Copies to and from the device are staged in pinned memory: the logits at least.
  const std::int64_t ram = number(said, "ram_bytes");
  BOOST_TEST(ram >= number(expected, "total") - number(expected, "on_device"));
  BOOST_TEST(ram > 0);
  BOOST_TEST(ram < vram);
  BOOST_TEST(number(told, "ram_bytes") == ram);
  BOOST_TEST(memory_metric(worker, "host") == ram);

  // A metrics event comes once a second.
  RawHttpClient client = worker.connect();
  client.send(WorkerProcess::post_text("/execute", R"({"job_id":"m","prompt":"Once","max_tokens":200})"));
  client.read_until("event: metrics");
  const std::string line = client.read_until("}");
  BOOST_TEST(line.find("\"vram_bytes\":" + std::to_string(vram)) != std::string::npos, line);
}

BOOST_AUTO_TEST_CASE(the_bytes_on_the_device_follow_the_context_and_the_type_of_the_cache) {
  struct Measured {
    std::int64_t vram, kv;
  };
  const auto measure = [](const std::string& context, const std::string& kv_type) -> Measured {
    const WorkerProcess worker = start({"--context", context, "--kv-type", kv_type});
    return {number(health(worker), "vram_bytes"), number(estimate(context, kv_type), "kv")};
  };
  const Measured half = measure("256", "f16");
  const Measured q8_0 = measure("512", "q8_0");
  const Measured f16 = measure("512", "f16");
  const Measured f32 = measure("512", "f32");
  BOOST_TEST(f16.kv == 2 * half.kv);
  BOOST_TEST(f32.kv == 2 * f16.kv);
  const auto check_step = [](const Measured& less, const Measured& more) {
    BOOST_TEST(less.kv < more.kv);
    // With the rows on their way to and from the host.
    BOOST_TEST(more.vram - less.vram >= more.kv - less.kv);
  };
  check_step(q8_0, f16);
  check_step(f16, f32);
  check_step(half, f16);
}

BOOST_AUTO_TEST_CASE(the_device_is_chosen_by_its_number_and_named_by_health_and_the_log) {
  const Strings two_devices = {"LLORCH_CUDA_EMULATION_DEVICES=2"};
  for (const std::string& index : {std::string("0"), std::string("1")}) {
    WorkerProcess worker = start({"--device", index}, two_devices);
    const json::value said = health(worker);
    BOOST_TEST(said.at("device").as_string() == "emulated:" + index);
    BOOST_TEST(said.at("device_name").as_string() == "emulated");
    BOOST_TEST(number(said, "vram_bytes") > 0);
    BOOST_TEST(worker.process.wait_for_errors("llama2_cuda on emulated:" + index + " (emulated)"),
               worker.process.errors);
    BOOST_TEST(!greedy_text(worker).empty());
  }
}

BOOST_AUTO_TEST_CASE(a_device_that_is_not_there_is_one_line_that_says_which_are) {
  const std::string two = "LLORCH_CUDA_EMULATION_DEVICES=2";
  struct Case {
    Strings flags, environment;
    int exit_code;
    std::string line;
  };
  const std::vector<Case> cases = {
      {{"--device", "1"}, {}, 1, "llorch-host: llama2_cuda: no device 1: expected 0 to 0\n"},
      {{"--device", "2"}, {two}, 1, "llorch-host: llama2_cuda: no device 2: expected 0 to 1\n"},
      {{}, {two, "LLORCH_DEVICE=7"}, 1, "llorch-host: llama2_cuda: no device 7: expected 0 to 1\n"},
      {{},
       {"LLORCH_CUDA_EMULATION_DEVICES=0"},
       1,
       "llorch-host: llama2_cuda: no device: LLORCH_CUDA_EMULATION_DEVICES is 0\n"},
      {{"--device", "256"}, {}, 2, "llorch-host: --device: expected an integer 0..255, found 256\n"},
      {{"--device", "-1"}, {}, 2, "llorch-host: --device: expected an integer 0..255, found \"-1\"\n"},
      {{"--device", "cuda:0"}, {}, 2, "llorch-host: --device: expected an integer 0..255, found \"cuda:0\"\n"},
      {{},
       {"LLORCH_DEVICE=first"},
       2,
       "llorch-host: environment variable LLORCH_DEVICE: expected an integer 0..255, found \"first\"\n"},
  };
  for (const Case& one : cases) {
    const auto [code, errors] = refusal(one.flags, one.environment);
    BOOST_TEST(code == one.exit_code, one.line);
    BOOST_TEST(errors == one.line);
  }
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_on_the_device_ends_the_start_with_one_line_and_both_numbers) {
  const auto check = [](const std::string& bytes, const Strings& words) {
    const auto [code, errors] = refusal({}, {"LLORCH_CUDA_EMULATION_MEMORY=" + bytes});
    BOOST_TEST(code == 1);
    BOOST_TEST(std::count(errors.begin(), errors.end(), '\n') == 1, errors);
    for (const std::string& word : words)
      BOOST_TEST(errors.find(word) != std::string::npos, "expected \"" << word << "\" in: " << errors);
  };
  check("1000000", {"weights: 7349248 bytes of device memory wanted, 1000000 of 1000000 free on emulated"});
  check("9000000", {"KV cache and scratch memory: ", " bytes of device memory wanted, 1650752 of 9000000 free",
                    "--context N and"});
}

BOOST_AUTO_TEST_CASE(a_device_that_fails_costs_two_requests_and_then_the_worker_says_that_it_is_lost) {
  // Four layers, a launch in each: the step after the second token fails, within its graph.
  WorkerProcess worker = start({}, {"LLORCH_CUDA_EMULATION_FAIL=rotate_and_store:10"});
  const std::string why = "kernel rotate_and_store: fails, as LLORCH_CUDA_EMULATION_FAIL wants";
  const auto job = [](const std::string& id) {
    return R"({"job_id":")" + id + R"(","prompt":"Once upon a time","max_tokens":40,"temperature":0})";
  };
  const std::vector<Event> events = events_of(worker.post("/execute", job("a")).body);
  BOOST_TEST(std::count_if(events.begin(), events.end(), [](const Event& e) { return e.name == "token"; }) == 2);
  BOOST_TEST_REQUIRE(events.back().name == "error");
  BOOST_TEST(json_of(events.back().data).at("code").as_string() == "INFERENCE_FAILED");
  BOOST_TEST(events.back().data.find(why) != std::string::npos, events.back().data);
  BOOST_TEST(worker.get("/health").status == 200U);  // one request may upset a device

  const RawResponse second = worker.post("/v1/completions", kGreedy);
  BOOST_TEST(second.status == 500U);
  BOOST_TEST(second.body.find(why) != std::string::npos, second.body);
  const RawResponse lost = worker.get("/health");
  BOOST_TEST(lost.status == 503U);
  BOOST_TEST(json_of(lost.body).at("status").as_string() == "unhealthy");
  BOOST_TEST(worker.get("/readyz").status == 503U);

  for (const RawResponse& refused : {worker.post("/execute", job("b")), worker.post("/v1/completions", kGreedy)}) {
    BOOST_TEST(refused.status == 503U);
    BOOST_TEST(refused.body.find("the model's device has failed; the worker must be restarted") != std::string::npos,
               refused.body);
  }
  worker.process.signal(SIGTERM);
  BOOST_TEST(worker.process.wait().value_or(-1) == 0, worker.process.errors);
}

BOOST_AUTO_TEST_CASE(after_a_job_that_was_cancelled_and_a_client_that_left_the_next_request_is_answered_as_before) {
  WorkerProcess worker = start();
  const std::string before = greedy_text(worker);
  {
    RawHttpClient client = worker.connect();
    client.send(WorkerProcess::post_text("/execute", R"({"job_id":"c","prompt":"Once","max_tokens":400})"));
    client.read_until("event: token");
    BOOST_TEST(worker.post("/cancel", R"({"job_id":"c"})").status == 200U);
    const std::string rest = client.read_to_end();
    BOOST_TEST(rest.find(R"("stop_reason":"CANCELLED")") != std::string::npos, rest);
  }
  BOOST_TEST(greedy_text(worker) == before);
  {
    RawHttpClient client = worker.connect();
    client.send(WorkerProcess::post_text("/v1/completions",
                                         R"({"prompt":"Once","max_tokens":400,"ignore_eos":true,"stream":true})"));
    BOOST_TEST(client.read_until("data: ").ends_with("data: "));
    client.reset();
  }
  wait_until_idle(worker);
  BOOST_TEST(worker.metric("llorch_generation_tokens_total{model_name=\"tiny-llama2\"}") < 400);
  BOOST_TEST(greedy_text(worker) == before);
  BOOST_TEST(health(worker).at("status").as_string() == "healthy");
  worker.process.signal(SIGTERM);
  BOOST_TEST(worker.process.wait().value_or(-1) == 0, worker.process.errors);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
