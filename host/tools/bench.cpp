#include "tools/bench.hpp"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/json/serialize.hpp>
#include <iostream>
#include <memory>
#include <thread>

#include "tools/bench_report.hpp"
#include "tools/command.hpp"
#include "tools/load_model.hpp"

namespace llorch::tools {

Result<void> bench(const BenchOptions& options, std::ostream& out,
                   const std::function<void(const std::string&)>& progress) {
  BenchPlan plan;
  plan.threads = options.threads;
  plan.repetitions = options.repetitions;
  plan.batch_tokens = options.batch_tokens;
  plan.kv = kv_types(options.kv);
  for (const std::uint32_t n : options.prompt) {
    if (n > 0) plan.tests.push_back({BenchTest::Kind::kPrompt, n});
  }
  for (const std::uint32_t n : options.generation) {
    if (n > 0) plan.tests.push_back({BenchTest::Kind::kGeneration, n});
  }
  if (plan.tests.empty()) {
    return make_error(ErrorCode::kInvalidArgument,
                      "tests: expected a prompt or a generation length above 0, found none");
  }

  const auto file = model_file::ModelFile::open(options.model);
  if (!file) return file.error();
  const auto work = count_work(**file);
  if (!work) return work.error();
  config::Config config;
  config.plugin = options.plugin;
  config.plugin_dir = options.plugin_dir;
  config.device = options.device;
  const auto plugin = choose_plugin(config, **file);
  if (!plugin) return plugin.error();
  const auto model = create_model(**plugin, **file);
  if (!model) return model.error();

  BenchReport report;
  report.model = options.model.string();
  report.architecture = (*file)->architecture();
  report.plugin = (*plugin)->info().id;
  report.plugin_version = (*plugin)->info().version;
  report.plugin_build = (*plugin)->info().build;
  report.work = *work;
  report.batch_tokens = options.batch_tokens;
  report.kv_type = to_string(options.kv);
  plugin::ContextParams smallest;
  smallest.max_tokens = 1;
  smallest.max_batch_tokens = 1;
  if (const auto context = (*model)->create_context(smallest); context) {
    if (const auto memory = (*context)->memory_usage(); memory) report.weights_in_memory = memory->weights;
  }
  const unsigned processors = std::thread::hardware_concurrency();
  for (const std::uint32_t threads : options.threads) {
    if (processors == 0 || threads <= processors) continue;
    std::cerr << fmt::format("llorch-host bench: {} threads share {} processors: figures will suffer\n", threads,
                             processors);
  }
  if (options.limits) {
    for (const std::uint32_t threads : options.threads) {
      progress(fmt::format("limits of the machine, {} thread(s)", threads));
      const auto limits = measure_limits(threads);
      if (!limits) return limits.error();
      report.limits.push_back(*limits);
    }
  }
  auto results = measure(**model, plan, [&](const BenchTest& test, std::uint32_t threads) {
    progress(fmt::format("{}, {} thread(s)", test.name(), threads));
  });
  if (!results) return explain_refusal(results.error(), options.kv);
  report.results = std::move(*results);

  out << (options.json ? boost::json::serialize(to_json(report)) + "\n" : to_markdown(report));
  out.flush();
  if (!out) return make_error(ErrorCode::kIo, "output: writing the results failed");
  return {};
}

void add_bench(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand("bench", "Measure the speed of a plugin on a model");
  command->footer(
      "Two kinds of tests, as llama-bench has them: pp N computes a prompt of N random tokens, tg N computes N tokens\n"
      "one after another; each from an empty cache, after a warm-up, R times. The table gives mean and standard\n"
      "deviation, the median, and from the median: what generation reads (weights that a token is multiplied with and\n"
      "its KV cache), the arithmetic done, and the share of what this machine can read or compute with as many\n"
      "threads, measured at the start. Nothing else should run meanwhile.\n\n"
      "Examples:\n"
      "  llorch-host bench --model models/tiny-gpt2\n"
      "  llorch-host bench --model gpt2.gguf -p 128,512 -n 128 -t 1,2 -r 10 --json");

  struct Arguments {  // CLI11 fills these while it parses; the callback below is the last user.
    BenchOptions options;
    std::string output = "md";
    bool json = false;
    bool no_limits = false;
  };
  auto arguments = std::make_shared<Arguments>();
  BenchOptions& options = arguments->options;
  command->add_option("-m,--model", options.model, "Model file or directory")->required();
  command->add_option("--plugin", options.plugin,
                      "Name or path of the plugin; without it, the first installed one that can run the model");
  command->add_option("--plugin-dir", options.plugin_dir, "Folder searched for plugins first");
  command->add_option("-p,--n-prompt", options.prompt, "Lengths of the prompt tests; 0 for none")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("-n,--n-gen", options.generation, "Lengths of the generation tests; 0 for none")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--device", options.device, "Device of the plugin, as `llorch-host plugins` lists them");
  command->add_option("-t,--threads", options.threads, "Numbers of threads")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("-r,--repetitions", options.repetitions, "Runs of each test")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command->add_option("-b,--batch", options.batch_tokens, "Largest chunk of a prompt, in tokens")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  add_kv_type_flags(*command, options.kv);
  command->add_flag("--no-limits", arguments->no_limits, "Do not measure the machine's limits first");
  auto* output = command->add_option("-o,--output", arguments->output, "Form of the results: md or json")
                     ->check(CLI::IsMember({"md", "json"}))
                     ->capture_default_str();
  command->add_flag("--json", arguments->json, "The same as -o json")->excludes(output);

  command->callback([arguments, &exit_code] {
    set_up_logging("warn");  // standard output is for the results
    BenchOptions& o = arguments->options;
    o.json = arguments->json || arguments->output == "json";
    o.limits = !arguments->no_limits;
    const bool terminal = isatty(STDERR_FILENO) == 1;
    const auto done = bench(o, std::cout, [terminal](const std::string& line) {
      if (terminal) std::cerr << line << '\n';
    });
    exit_code = done ? kExitOk : fail(done.error().message);
  });
}

}  // namespace llorch::tools
