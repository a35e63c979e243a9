// How a worker finds what it serves with: the shipped configurations, the plugin where none is named, the chat template
// where the model has none.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "e2e/e2e.hpp"
#include "support/gguf_writer.hpp"
#include "support/temporary_directory.hpp"

namespace {

using namespace llorch::testing;  // NOLINT(google-build-using-namespace)
namespace fs = std::filesystem;
namespace json = boost::json;

constexpr const char* kLlama = LLORCH_SOURCE_DIR "/models/tiny-llama2.gguf";

/// llorch-host with these flags alone, on a free port, ready to serve.
struct Worker {
  explicit Worker(const std::vector<std::string>& flags) : process(command(flags)) {
    BOOST_TEST_REQUIRE(process.wait_for_errors(" ready: "), process.errors);
    BOOST_TEST_REQUIRE(process.wait_for_output("\n"), process.output);
    const std::size_t colon = process.output.rfind(':');
    BOOST_TEST_REQUIRE(process.output.starts_with("listening on http://127.0.0.1:"), process.output);
    port = static_cast<std::uint16_t>(std::strtoul(process.output.c_str() + colon + 1, nullptr, 10));
  }
  [[nodiscard]] json::value health() const {
    RawHttpClient client(port);
    return json_of(client.exchange("GET /health HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").body);
  }
  [[nodiscard]] bool logged(const std::string& text) const { return process.errors.find(text) != std::string::npos; }

  static std::vector<std::string> command(const std::vector<std::string>& flags) {
    std::vector<std::string> arguments = {host_binary(), "serve", "--port", "0"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    return arguments;
  }

  ChildProcess process;
  std::uint16_t port = 0;
};

/// The one line on standard error of a start that fails.
std::string failure(const std::vector<std::string>& flags) {
  const Outcome outcome = run_to_end(Worker::command(flags));
  BOOST_TEST(outcome.code == 1, outcome.errors);
  BOOST_TEST(std::count(outcome.errors.begin(), outcome.errors.end(), '\n') == 1, outcome.errors);
  return outcome.errors;
}

/// models/tiny-llama2.gguf as a file of an architecture that no plugin computes; its tokenizer is as good as before.
std::string of_unknown_architecture() {
  std::ifstream in(kLlama, std::ios::binary);
  std::string file{std::istreambuf_iterator<char>(in), {}};
  const std::string before = gguf_string("general.architecture") + gguf_text("llama");
  const std::string after = gguf_string("general.architecture") + gguf_text("mamba");
  const std::size_t at = file.find(before);
  BOOST_TEST_REQUIRE(at != std::string::npos);
  return file.replace(at, before.size(), after);
}

BOOST_AUTO_TEST_SUITE(start_of_a_worker)

BOOST_AUTO_TEST_CASE(every_shipped_configuration_serves_with_the_plugin_that_it_names) {
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(LLORCH_SOURCE_DIR "/configs")) {
    const std::string path = entry.path().string();
    std::ifstream in(path);
    const std::string plugin(json_of({std::istreambuf_iterator<char>(in), {}}).at("plugin").as_string());
    if (!plugin.ends_with("_cpu")) continue;  // others need a device
    BOOST_TEST_CONTEXT(path) {
      const Worker worker({"--config", path});
      BOOST_TEST(worker.health().at("status").as_string() == "healthy");
      BOOST_TEST(worker.health().at("plugin").as_string() == plugin);
      RawHttpClient client(worker.port);
      const RawResponse answer = client.exchange(WorkerProcess::post_text(
          "/v1/completions", R"({"prompt":"Once upon a time","max_tokens":4,"temperature":0})"));
      BOOST_TEST(answer.status == 200U, answer.body);
      BOOST_TEST(answer.body.find(R"("text":", there was a")") != std::string::npos, answer.body);
      ++count;
    }
  }
  BOOST_TEST(count >= 2U);
}

BOOST_AUTO_TEST_CASE(without_a_name_the_plugin_that_can_run_the_model_is_chosen_and_logged) {
  const std::vector<std::pair<std::string, std::string>> cases = {{kLlama, "llama2_cpu"}, {tiny_model(), "gpt2_cpu"}};
  for (const auto& [model, plugin] : cases) {
    const Worker worker({"--model", model});
    BOOST_TEST(worker.health().at("plugin").as_string() == plugin);
    BOOST_TEST(worker.logged("plugin " + plugin + " chosen for " + model + ": the first installed one that can run it"),
               worker.process.errors);
  }
  BOOST_TEST(!Worker({"--model", kLlama, "--plugin", "llama2_cpu"}).logged(" chosen for "));
}

BOOST_AUTO_TEST_CASE(a_plugin_that_cannot_be_loaded_does_not_keep_the_others_from_being_chosen) {
  const TemporaryDirectory directory;
  directory.write("a_broken.so", "not a shared object");
  const Worker worker({"--model", kLlama, "--plugin-dir", directory.path().string()});
  BOOST_TEST(worker.health().at("plugin").as_string() == "llama2_cpu");
}

BOOST_AUTO_TEST_CASE(a_model_that_no_plugin_runs_ends_the_start_with_the_reason_of_each) {
  const TemporaryDirectory directory;
  const std::string model = directory.write("state.gguf", of_unknown_architecture()).string();
  directory.write("a_broken.so", "not a shared object");
  const std::string errors = failure({"--model", model, "--plugin-dir", directory.path().string()});
  for (const std::string& part :
       {model + ": no plugin can run this model: ", std::string("a_broken.so: "),
        std::string("gpt2_cpu.so: gpt2_cpu: model_probe: general.architecture: expected gpt2, found mamba"),
        std::string("llama2_cpu.so: llama2_cpu: model_probe: general.architecture: expected llama, found mamba")}) {
    BOOST_TEST(errors.find(part) != std::string::npos, "expected \"" << part << "\" in: " << errors);
  }
}

BOOST_AUTO_TEST_CASE(a_plugin_that_was_named_and_cannot_run_the_model_says_why) {
  const std::string errors = failure({"--model", kLlama, "--plugin", "gpt2_cpu"});
  BOOST_TEST(errors.find("gpt2_cpu.so: gpt2_cpu: model_probe: general.architecture: expected gpt2, found llama") !=
                 std::string::npos,
             errors);
  BOOST_TEST(errors.find("no plugin can run") == std::string::npos, errors);
}

BOOST_AUTO_TEST_CASE(a_model_without_a_chat_template_is_served_with_a_warning_that_names_the_way_out) {
  const auto lines_of = [](const Worker& worker) {
    std::vector<std::string> lines;
    std::istringstream in(worker.process.errors);
    for (std::string line; std::getline(in, line);)
      if (line.find("chat template: ") != std::string::npos) lines.push_back(line);
    return lines;
  };
  const auto guessed = lines_of(Worker({"--model", kLlama}));
  BOOST_TEST_REQUIRE(guessed.size() == 1U);
  for (const char* part : {" warning ", "built-in template plain (the model has no template)", "--chat-template",
                           "llama2", "zephyr", "vicuna", "mistral", "a file or one of"})
    BOOST_TEST(guessed[0].find(part) != std::string::npos, "expected \"" << part << "\" in: " << guessed[0]);
  for (const std::string& name : {std::string("llama2"), std::string("plain")}) {
    const auto asked_for = lines_of(Worker({"--model", kLlama, "--chat-template", name}));
    BOOST_TEST_REQUIRE(asked_for.size() == 1U);
    BOOST_TEST(asked_for[0].ends_with(" info chat template: built-in template " + name + " (by name)"), asked_for[0]);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
