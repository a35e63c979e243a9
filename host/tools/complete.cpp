#include "tools/complete.hpp"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Validators.hpp>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <csignal>
#include <iostream>
#include <memory>
#include <system_error>

#include "api/execute_events.hpp"
#include "api/json_writer.hpp"
#include "api/prompt_tokens.hpp"
#include "base/text.hpp"
#include "tools/command.hpp"
#include "tools/interrupt.hpp"
#include "tools/load_model.hpp"
#include "tools/printing_listener.hpp"
#include "tools/text_input.hpp"

namespace llorch::tools {
namespace {

using Clock = std::chrono::steady_clock;

struct CompleteOptions {
  std::string prompt;
  std::uint32_t max_tokens = 128;
  sampling::Params sampling;
  std::vector<std::string> stop;
  bool ignore_eos = false;
  bool json = false;
  ConfigCommand config;
};

double milliseconds(double seconds) {
  return std::round(seconds * 1e6) / 1e3;
}

void write_json(const PrintingListener& listener, const engine::Request& request, const LoadedModel& loaded,
                const std::string& name, double load_seconds) {
  const engine::FinishEvent& end = listener.end();
  std::string out;
  api::JsonWriter json(out);
  json.begin_object().member("model", name).member("plugin", loaded.plugin->info().id).key("prompt_ids").begin_array();
  for (const std::int32_t id : request.prompt)
    json.value(id);
  json.end_array().key("ids").begin_array();
  for (const std::int32_t id : listener.ids())
    json.value(id);
  json.end_array().member("text", listener.text()).key("logprobs").begin_array();
  for (const float logprob : listener.logprobs())
    json.value(logprob);
  json.end_array().member("stop_reason", api::contract_name(end.reason));
  if (end.reason == engine::StopReason::kStopSequence) json.member("stop_sequence_matched", end.stop_sequence);
  json.key("timings")
      .begin_object()
      .member("load_ms", milliseconds(load_seconds))
      .member("prompt_ms", milliseconds(end.timings.prompt))
      .member("decode_ms", milliseconds(end.timings.decode))
      .member("time_to_first_token_ms", milliseconds(end.timings.time_to_first_token))
      .end_object()
      .end_object();
  std::cout << out << std::endl;
}

// One line on the terminal, where a person watches.
void write_summary(const engine::FinishEvent& end, double load_seconds) {
  const double decoded = end.completion_tokens > 1 ? end.completion_tokens - 1 : 0;
  const auto rate = [](double tokens, double seconds) { return seconds > 0 ? tokens / seconds : 0; };
  std::cerr << fmt::format("[load {:.0f} ms; prompt {} tokens, {:.0f}/s; generated {} tokens, {:.0f}/s; {}]\n",
                           load_seconds * 1e3, end.prompt_tokens, rate(end.prompt_tokens, end.timings.prompt),
                           end.completion_tokens, rate(decoded, end.timings.decode), api::contract_name(end.reason));
}

Result<engine::Request> make_request(const CompleteOptions& options, const LoadedModel& loaded, std::uint32_t context) {
  std::string prompt = options.prompt;
  if (prompt == "-") {
    Result<std::string> read = read_all(std::cin, "standard input");
    if (read.has_error()) return read.error();
    prompt = std::move(read.value());
  }
  engine::Request request;
  request.id = "complete";
  request.prompt = api::encode_prompt(*loaded.tokenizer, prompt);
  std::vector<api::Fault> faults;
  api::check_prompt_length("prompt", request.prompt.size(), context, faults);
  if (!faults.empty()) return make_error(ErrorCode::kInvalidArgument, faults.front().message);
  request.max_tokens = options.max_tokens;
  request.sampling = options.sampling;
  request.stop = options.stop;
  request.ignore_eos = options.ignore_eos;
  if (options.json) request.logprobs = 0;
  return request;
}

int run(const CompleteOptions& options) {
  const Result<config::Resolved> resolved = options.config.resolve();
  if (resolved.has_error()) return fail(resolved.error().message, kExitUsage);
  config::Config config = resolved->config;
  config.slots = 1;
  // The log is for servers: here it would come between the text, so only what goes wrong is shown unless asked for.
  const bool asked =
      resolved->sources.contains("log_level") && resolved->sources.at("log_level") != config::Source::kDefault;
  set_up_logging(asked ? config.log_level : "warn");
  if (config.model.empty()) return fail("no model given: use --model FILE", kExitUsage);

  const Clock::time_point begin = Clock::now();
  const Result<LoadedModel> loaded = load_model(config);
  if (loaded.has_error()) return fail(loaded.error().message);
  Result<std::shared_ptr<engine::Engine>> engine = create_engine(*loaded, config);
  if (engine.has_error()) return fail(engine.error().message);
  const double load_seconds = std::chrono::duration<double>(Clock::now() - begin).count();

  Result<engine::Request> request = make_request(options, *loaded, engine.value()->context_length());
  if (request.has_error()) return fail(request.error().message);
  std::signal(SIGPIPE, SIG_IGN);
  watch_interrupts();
  const auto listener = std::make_shared<PrintingListener>(!options.json);
  const Result<void> queued = engine.value()->submit({{*request, listener}});
  if (queued.has_error()) return fail(queued.error().message);

  constexpr std::chrono::milliseconds kLookForSignals{50};
  bool stopped = false;
  while (!listener->wait(kLookForSignals)) {
    if (!stopped && (interrupted() != 0 || listener->output_closed())) {
      engine.value()->cancel("complete");
      stopped = true;
    } else if (stopped) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));  // the end follows within one step
    }
  }
  const engine::FinishEvent& end = listener->end();
  if (options.json) {
    write_json(*listener, *request, *loaded, model_name(config), load_seconds);
  } else if (!listener->output_closed()) {
    std::cout << std::endl;
    if (::isatty(STDERR_FILENO) != 0) write_summary(end, load_seconds);
  }
  if (end.reason == engine::StopReason::kContextFull) {
    std::cerr << fmt::format("llorch-host: stopped after {} of {} tokens: the context of {} is full\n",
                             end.completion_tokens, options.max_tokens, engine.value()->context_length());
  }
  if (interrupted() != 0) return 128 + interrupted();
  // A closed pipe is the reader's wish; anything else, a full disk for one, has lost text.
  const int output_error = listener->output_error();
  if (output_error != 0 && output_error != EPIPE) {
    return fail("cannot write the text: " + std::generic_category().message(output_error));
  }
  if (!std::cout && output_error == 0) return fail("cannot write the output");
  if (end.error) return fail(end.error->message);
  return kExitOk;
}

// The parser alone would take -1 for the largest number.
CLI::Validator unsigned_64() {
  return {[](const std::string& text) {
            std::uint64_t value = 0;
            const char* end = text.data() + text.size();
            const auto parsed = std::from_chars(text.data(), end, value);
            if (parsed.ec == std::errc() && parsed.ptr == end) return std::string();
            return "expected an integer 0..18446744073709551615, found " + quote(text);
          },
          "UINT64"};
}

}  // namespace

void add_complete(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<CompleteOptions>();
  CLI::App* command = app.add_subcommand("complete", "Continue one prompt on standard output");
  command->footer(
      "Example:\n  llorch-host complete --model models/tiny-gpt2 \"Once upon a time\" -n 64 --temperature 0");
  command->add_option("prompt", options->prompt, "Text to continue; - reads it from standard input")->required();
  command->add_option("-n,--max-tokens", options->max_tokens, "Most tokens to generate")
      ->check(CLI::Range(1U, 1U << 24U))
      ->capture_default_str();
  sampling::Params& sampling = options->sampling;
  command->add_option("--temperature", sampling.temperature, "0 always takes the likeliest token")
      ->check(CLI::Range(0.0, 2.0))
      ->capture_default_str();
  command->add_option("--top-k", sampling.top_k, "Sample among the k likeliest; 0: all")->capture_default_str();
  command->add_option("--top-p", sampling.top_p, "Sample among the likeliest that make up this probability")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command->add_option("--min-p", sampling.min_p, "Leave out what is less likely than this share of the likeliest")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command->add_option("--repetition-penalty", sampling.repetition_penalty, "1 is off")
      ->check(CLI::Range(0.0, 2.0))
      ->capture_default_str();
  command->add_option("--seed", sampling.seed, "The same seed gives the same text")
      ->check(unsigned_64())
      ->capture_default_str();
  command->add_option("--stop", options->stop, "End before this text; may be given several times")
      ->allow_extra_args(false);
  command->add_flag("--ignore-eos", options->ignore_eos, "Go on after the end-of-text token");
  command->add_flag("--json", options->json,
                    "Print one object with prompt_ids, ids, text, logprobs, stop_reason and timings");
  options->config.add_to(*command, {"model", "plugin", "plugin_dir", "device", "context", "batch", "threads", "kv_type",
                                    "kv_type_k", "kv_type_v", "log_level"});
  command->callback([options, &exit_code] { exit_code = run(*options); });
}

}  // namespace llorch::tools
