// Start, configuration, ready callback, signals.
#include <future>

#include "e2e/callback_receiver.hpp"
#include "e2e/e2e.hpp"
#include "support/temporary_directory.hpp"

namespace {

using namespace llorch::testing;  // NOLINT(google-build-using-namespace)

/// Exit code and standard error of a run that ends by itself.
std::pair<int, std::string> run(const std::vector<std::string>& flags,
                                const std::vector<std::string>& environment = {}) {
  std::vector<std::string> arguments = {host_binary()};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  const Outcome outcome = run_to_end(arguments, environment);
  return {outcome.code, outcome.errors};
}

void check_one_line(const std::string& text) {
  BOOST_TEST(std::count(text.begin(), text.end(), '\n') == 1, text);
}

BOOST_AUTO_TEST_SUITE(life_of_a_worker)

BOOST_AUTO_TEST_CASE(bad_usage_and_bad_configuration_exit_with_2) {
  const TemporaryDirectory directory;
  const std::string unknown = directory.write("unknown.json", R"({"modle":"x"})").string();
  const std::string broken = directory.write("broken.json", "{").string();
  const std::vector<std::vector<std::string>> cases = {
      {"serve", "--port", "70000", "--model", tiny_model()},
      {"serve", "--port", "x", "--model", tiny_model()},
      {"serve"},
      {"--config", unknown},
      {"--config", broken},
      {"--config", (directory.path() / "missing.json").string()},
      {"serve", "--context", "1", "--model", tiny_model()},
  };
  for (const auto& flags : cases) {
    const auto [code, errors] = run(flags);
    BOOST_TEST(code == 2, flags.back() << ": " << errors);
    check_one_line(errors);
  }
  BOOST_TEST(run({"serve", "--no-such-flag"}).first == 2);
  BOOST_TEST(run({"complete"}).first == 2);
  const auto [code, errors] = run({"serve"}, {"PORT=99999", "MODEL_PATH=x"});
  BOOST_TEST(code == 2);
  BOOST_TEST(errors.find("PORT") != std::string::npos, errors);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_started_is_one_line_and_exit_code_1) {
  const std::vector<std::vector<std::string>> cases = {
      {"--port", "0", "--model", "/nonexistent/model.gguf"},
      {"--port", "0", "--model", tiny_model(), "--plugin", "no_such_plugin"},
      {"--port", std::to_string(shared_worker().port), "--model", tiny_model()},
      {"--port", "0", "--model", tiny_model(), "--api-key-file", "/nonexistent/key"},
  };
  for (const auto& flags : cases) {
    const auto [code, errors] = run(flags);
    BOOST_TEST(code == 1, flags.back() << ": " << errors);
    check_one_line(errors);
  }
}

BOOST_AUTO_TEST_CASE(print_config_shows_every_value_with_its_source) {
  const TemporaryDirectory directory;
  const std::string file = directory.write("c.json", R"({"threads":3,"queue":5})").string();
  ChildProcess process({host_binary(), "--config", file, "--queue", "7", "--print-config"}, {"LLORCH_BATCH=64"});
  BOOST_TEST(process.wait().value_or(-1) == 0);
  const auto printed = json_of(process.output);
  BOOST_TEST(printed.is_object());
  for (const char* expected : {"command line", "environment", "file", "default"}) {
    BOOST_TEST(process.output.find(expected) != std::string::npos, expected);
  }
}

BOOST_AUTO_TEST_CASE(version_and_help_are_printed) {
  ChildProcess version({host_binary(), "--version"});
  BOOST_TEST(version.wait().value_or(-1) == 0);
  BOOST_TEST(version.output.starts_with("llorch-host "));
  for (const char* subcommand : {"serve", "complete", "tokenize"}) {
    ChildProcess help({host_binary(), subcommand, "--help"});
    BOOST_TEST(help.wait().value_or(-1) == 0);
    BOOST_TEST(help.output.find("--model") != std::string::npos, subcommand);
  }
}

BOOST_AUTO_TEST_CASE(sigterm_finishes_what_runs_and_exits_with_0) {
  WorkerProcess worker;
  RawHttpClient client = worker.connect();
  client.set_patience(std::chrono::seconds(60));
  client.send(WorkerProcess::post_text("/v1/completions",
                                       R"({"prompt":"Once","max_tokens":450,"n":4,"ignore_eos":true,"stream":true})"));
  BOOST_TEST(client.read_until("data: ").ends_with("data: "));
  worker.process.signal(SIGTERM);
  const std::string rest = client.read_to_end();
  BOOST_TEST(rest.find("data: [DONE]\n\n") != std::string::npos, "the stream was cut");
  BOOST_TEST(worker.process.wait().value_or(-1) == 0);
  BOOST_CHECK_THROW(static_cast<void>(worker.connect()), std::runtime_error);
}

BOOST_AUTO_TEST_CASE(an_idle_worker_exits_at_once_on_sigint) {
  WorkerProcess worker;
  worker.process.signal(SIGINT);
  BOOST_TEST(worker.process.wait().value_or(-1) == 0);
}

BOOST_AUTO_TEST_CASE(after_the_shutdown_timeout_what_runs_is_cancelled_with_a_last_event) {
  WorkerProcess worker({"--shutdown-timeout", "0"});
  RawHttpClient client = worker.connect();
  client.set_patience(std::chrono::seconds(60));
  client.send(WorkerProcess::post_text("/v1/completions",
                                       R"({"prompt":"Once","max_tokens":500,"n":16,"ignore_eos":true,"stream":true})"));
  BOOST_TEST(client.read_until("data: ").ends_with("data: "));
  worker.process.signal(SIGTERM);
  const std::string rest = client.read_to_end();
  BOOST_TEST(rest.find("data: {\"error\":") != std::string::npos);
  BOOST_TEST(worker.process.wait().value_or(-1) == 0);
}

BOOST_AUTO_TEST_CASE(a_second_signal_ends_at_once) {
  WorkerProcess worker;
  RawHttpClient client = worker.connect();
  client.send(WorkerProcess::post_text("/v1/completions",
                                       R"({"prompt":"Once","max_tokens":500,"n":16,"ignore_eos":true,"stream":true})"));
  BOOST_TEST(client.read_until("data: ").ends_with("data: "));
  worker.process.signal(SIGTERM);
  // The first one has been obeyed once the worker says so; a signal sent before could merge with it.
  while (worker.get_status_or_zero("/readyz") == 200) {
  }
  worker.process.signal(SIGTERM);
  BOOST_TEST(worker.process.wait().value_or(-1) == 128 + SIGTERM);
}

BOOST_AUTO_TEST_CASE(a_broken_configuration_on_sighup_is_logged_and_the_worker_goes_on) {
  const TemporaryDirectory directory;
  const std::string file = directory.write("c.json", R"({"log_level":"info"})").string();
  WorkerProcess worker({"--config", file});
  directory.write("c.json", R"({"log_level":"loud"})");
  worker.process.signal(SIGHUP);
  BOOST_TEST(worker.process.wait_for_errors("SIGHUP"), worker.process.errors);
  BOOST_TEST(worker.process.errors.find("loud") != std::string::npos, worker.process.errors);
  BOOST_TEST(worker.get("/health").status == 200U);
}

BOOST_AUTO_TEST_CASE(the_ready_callback_is_retried_until_it_is_accepted) {
  const ListeningSocket listener;
  auto requests = std::async(std::launch::async, [&] { return receive_callbacks(listener.fd, {"500", "302", "204"}); });
  const WorkerProcess worker(
      {"--worker-id", "w7", "--callback-url", "http://127.0.0.1:" + std::to_string(listener.port) + "/ready?x=1"});
  const std::vector<std::string> received = requests.get();
  BOOST_TEST_REQUIRE(received.size() == 3U);
  for (const std::string& request : received) {
    BOOST_TEST(request.starts_with("POST /ready?x=1 HTTP/1.1\r\n"), request);
    const auto message = json_of(request.substr(request.find("\r\n\r\n") + 4));
    BOOST_TEST(message.at("worker_id").as_string() == "w7");
    BOOST_TEST(message.at("vram_bytes").as_int64() == 0);
    BOOST_TEST(std::string(message.at("uri").as_string()) == "http://127.0.0.1:" + std::to_string(worker.port));
  }
  BOOST_TEST(worker.get("/health").status == 200U);
}

BOOST_AUTO_TEST_CASE(a_callback_that_nobody_answers_does_not_disturb_serving) {
  const ListeningSocket listener;  // accepts, and never answers
  const WorkerProcess worker({"--callback-url", "http://127.0.0.1:" + std::to_string(listener.port) + "/"});
  BOOST_TEST(worker.post("/v1/completions", R"({"prompt":"x","max_tokens":1})").status == 200U);
}

BOOST_AUTO_TEST_CASE(environment_and_file_configure_the_worker_as_flags_do) {
  const TemporaryDirectory directory;
  const std::string file = directory.write("c.json", R"({"worker_id":"from-file","context":100})").string();
  const WorkerProcess worker({"--config", file}, {"WORKER_ID=from-environment"});
  const auto health = json_of(worker.get("/health").body);
  BOOST_TEST(health.at("worker_id").as_string() == "from-environment");
  BOOST_TEST(health.at("context").as_int64() == 100);
}

BOOST_AUTO_TEST_CASE(an_api_key_is_asked_for_except_by_probes) {
  const TemporaryDirectory directory;
  const std::string file = directory.write("key", "s3cret\n").string();
  const WorkerProcess worker({"--api-key-file", file});
  BOOST_TEST(worker.get("/health").status == 200U);
  const RawResponse refused = worker.post("/v1/completions", R"({"prompt":"x","max_tokens":1})");
  BOOST_TEST(refused.status == 401U);
  BOOST_TEST(json_of(refused.body).at("error").at("type").as_string() == "authentication_error");
  const std::string body = R"({"prompt":"x","max_tokens":1})";
  RawHttpClient client = worker.connect();
  const RawResponse accepted = client.exchange(
      "POST /v1/completions HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer s3cret\r\nConnection: close\r\n"
      "Content-Length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body);
  BOOST_TEST(accepted.status == 200U);
}

BOOST_AUTO_TEST_CASE(a_key_file_without_a_usable_key_stops_the_start_and_opens_nothing) {
  const TemporaryDirectory directory;
  for (const char* content : {"", "\r\n", "  \t\r\n", "two words\n", "caf\xC3\xA9\n"}) {
    const std::string file = directory.write("key", content).string();
    ChildProcess process({host_binary(), "--model", tiny_model(), "--port", "0", "--api-key-file", file});
    BOOST_TEST(process.wait().value_or(-1) == 1);
    BOOST_TEST(process.errors.find("api_key_file") != std::string::npos, process.errors);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
