#include "tools/perplexity.hpp"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <csignal>
#include <fstream>
#include <iostream>
#include <memory>

#include "tools/command.hpp"
#include "tools/interrupt.hpp"
#include "tools/load_model.hpp"
#include "tools/logprob_file.hpp"
#include "tools/perplexity_figures.hpp"
#include "tools/text_input.hpp"
#include "tools/windows.hpp"

namespace llorch::tools {
namespace {

namespace json = boost::json;

constexpr std::uint32_t kDefaultWindow = 512;

Result<std::string> read_text(const std::string& path, std::istream& in) {
  if (path == "-") return read_all(in, "standard input");
  std::ifstream file(path, std::ios::binary);
  if (!file) return make_error(ErrorCode::kIo, fmt::format("{}: cannot open", path));
  return read_all(file, path);
}

// JSON has no infinity: a figure that is no number is null.
json::value number(double value) {
  return std::isfinite(value) ? json::value(value) : json::value(nullptr);
}

void put(json::object& object, const std::string& key, const Estimate& estimate) {
  object[key] = number(estimate.value);
  object[key + "_error"] = number(estimate.error);
}

std::string to_json(const PerplexityOptions& options, const plugin::Info& plugin, const Windows& windows,
                    const PerplexityFigures& figures) {
  json::object object{{"model", options.model},
                      {"plugin", plugin.id},
                      {"plugin_version", plugin.version},
                      {"text_tokens", windows.text_tokens},
                      {"window", windows.length},
                      {"windows", windows.count},
                      {"bos", windows.bos},
                      {"scored", figures.scored()}};
  put(object, "nll", figures.nll());
  put(object, "perplexity", figures.perplexity());
  if (options.against) {
    json::object against{{"file", options.against->string()}};
    put(against, "perplexity", figures.base_perplexity());
    put(against, "perplexity_difference", figures.difference());
    put(against, "kl", figures.kl());
    against["kl_max"] = number(figures.largest_kl());
    put(against, "same_top", figures.same_top());
    object["against"] = std::move(against);
  }
  return json::serialize(object) + "\n";
}

std::string to_text(const PerplexityOptions& options, const plugin::Info& plugin, const Windows& windows,
                    const PerplexityFigures& figures) {
  const auto line = [](std::string_view name, const Estimate& e, int digits, std::string_view unit = {}) {
    return fmt::format("{:<24} {:.{}f} ± {:.{}f}{}\n", name, e.value, digits, e.error, digits, unit);
  };
  std::string out = fmt::format("{} {} on {}\n", plugin.id, plugin.version, options.model);
  out += fmt::format("{} tokens, {} windows of {}{}, {} positions scored\n", windows.text_tokens, windows.count,
                     windows.length, windows.bos ? " that begin with BOS" : "", figures.scored());
  out += line("negative log-likelihood", figures.nll(), 5, " nats a token");
  out += line("perplexity", figures.perplexity(), 4);
  if (!options.against) return out;
  const Estimate kl = figures.kl();
  const Estimate top = figures.same_top();
  out += fmt::format("against {}\n", options.against->string());
  out += line("its perplexity", figures.base_perplexity(), 4);
  out += line("difference", figures.difference(), 5);
  out += fmt::format("{:<24} {:.3e} ± {:.1e} nats, largest {:.3e}\n", "KL divergence", kl.value, kl.error,
                     figures.largest_kl());
  out += line("same most likely token", {100 * top.value, 100 * top.error}, 3, " %");
  return out;
}

}  // namespace

Result<void> perplexity(const PerplexityOptions& options, std::istream& in, std::ostream& out,
                        const std::function<void(const std::string&)>& progress) {
  auto text = read_text(options.text, in);
  if (!text) return text.error();
  // As llama-perplexity reads its file: an editor's newline at the end is none of the text.
  if (text->ends_with('\n')) text->pop_back();
  config::Config config;
  config.model = options.model;
  config.plugin = options.plugin;
  config.plugin_dir = options.plugin_dir;
  config.device = options.device;
  const auto loaded = load_model(config);
  if (!loaded) return loaded.error();
  const llorch_model_info& model = loaded->model->info();
  const std::uint32_t length = options.window > 0 ? options.window : std::min(kDefaultWindow, model.max_positions);
  if (length > model.max_positions) {
    return make_error(ErrorCode::kInvalidArgument, fmt::format("window: expected at most {} tokens (the model's "
                                                               "context), found {}",
                                                               model.max_positions, length));
  }
  std::unique_ptr<LogprobReader> base;
  if (options.against) {
    auto opened = LogprobReader::open(*options.against);
    if (!opened) return opened.error();
    base = std::move(*opened);
  }
  const auto windows = cut_text(*loaded->tokenizer, *text, length, options.most_windows, model.vocab_size);
  if (!windows) return windows.error();

  if (base) {
    if (const auto same = base->check_same(*windows, model.vocab_size); !same) return same.error();
  }
  std::unique_ptr<LogprobWriter> writer;
  if (options.save) {
    auto created = LogprobWriter::create(*options.save, *windows, model.vocab_size);
    if (!created) return created.error();
    writer = std::move(*created);
  }

  PerplexityFigures figures;
  const auto position = [&](std::span<const float> log_probs, std::int32_t next) -> Result<void> {
    if (interrupted() != 0)
      return make_error(ErrorCode::kCancelled, fmt::format("interrupted by signal {}", interrupted()));
    if (base) {
      const auto other = base->next();
      if (!other) return other.error();
      figures.add(log_probs, *other, next);
    } else {
      figures.add(log_probs, next);
    }
    return writer ? writer->add(log_probs) : Result<void>();
  };
  const auto window_done = [&](std::uint32_t done) {
    if (progress) {
      progress(fmt::format("window {} of {}: perplexity {:.4f}", done, windows->count, figures.perplexity().value));
    }
  };
  const ScoreOptions score_options{
      .threads = options.threads, .batch_tokens = options.batch_tokens, .kv = kv_types(options.kv)};
  if (const auto done = score(*loaded->model, *windows, score_options, position, window_done); !done) {
    return explain_refusal(done.error(), options.kv);
  }
  if (writer) {
    if (const auto finished = writer->finish(); !finished) return finished.error();
  }
  out << (options.json ? to_json : to_text)(options, loaded->plugin->info(), *windows, figures);
  out.flush();
  if (!out) return make_error(ErrorCode::kIo, "output: writing the figures failed");
  return {};
}

void add_perplexity(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand("perplexity", "Measure how well a model predicts a text");
  command->footer(
      "The text is encoded once and cut into windows of -c tokens; what is left over at the end is dropped. Each "
      "window\n"
      "is computed from an empty cache. Where the tokenizer puts BOS before a text, the first token of every window "
      "is\n"
      "replaced by it. The positions of the second half, c/2 to c-2, predict the token that follows; their negative\n"
      "log-likelihoods are averaged, in nats, and perplexity is e to that. Standard errors take positions as\n"
      "independent. llama.cpp's llama-perplexity cuts, replaces and scores in the same way (run it with --no-escape\n"
      "where the text has back-slashes), so figures can be compared.\n\n"
      "--save-logits writes the log-probabilities of the whole vocabulary at every scored position: 4 bytes for each\n"
      "id and position. --against reads such a file of the same text, vocabulary and window, made from another "
      "plugin,\n"
      "from the weights before they were quantized, or on another machine, and adds the mean and largest KL "
      "divergence\n"
      "from that run to this one, in nats, how often both prefer the same token, and the difference of perplexities.\n"
      "The format is in docs/perplexity.md.\n\n"
      "Examples:\n"
      "  llorch-host perplexity --model models/tiny-llama2.gguf --text held_out.txt\n"
      "  llorch-host perplexity --model f16.gguf --text held_out.txt --save-logits f16.lp\n"
      "  llorch-host perplexity --model q4_0.gguf --text held_out.txt --against f16.lp --json\n\n"
      "Exit code 0, or 1 after an error.");

  // CLI11 fills it while it parses; the callback below is the last user.
  const auto options = std::make_shared<PerplexityOptions>();
  command->add_option("-m,--model", options->model, "Model file or directory")->required();
  command->add_option("-f,--text", options->text, "File with the text; - reads standard input")->required();
  command
      ->add_option("-c,--context", options->window,
                   "Tokens a window (default: 512, or the model's context where that is less)")
      ->check(CLI::Range(4U, 1U << 24U));
  command->add_option("--windows", options->most_windows, "Score only the first N windows; 0: all")
      ->capture_default_str();
  command->add_option("--plugin", options->plugin,
                      "Name or path of the plugin; without it, the first installed one that can run the model");
  command->add_option("--plugin-dir", options->plugin_dir, "Folder searched for plugins first");
  command->add_option("--device", options->device, "Device of the plugin, as `llorch-host plugins` lists them");
  command->add_option("-t,--threads", options->threads, "Compute threads")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("-b,--batch", options->batch_tokens, "Most tokens computed at once")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  add_kv_type_flags(*command, options->kv);
  command->add_option("--save-logits", options->save, "Write the log-probabilities of every scored position to FILE")
      ->type_name("FILE");
  command->add_option("--against", options->against, "Compare with such a FILE of another run")->type_name("FILE");
  command->add_flag("--json", options->json, "Print one object with all figures");

  command->callback([options, &exit_code] {
    set_up_logging("warn");  // standard output is for the figures
    const bool terminal = isatty(STDERR_FILENO) == 1;
    // An unfinished file of log-probabilities is removed, and one beyond the limit of file sizes is an error to report.
    watch_interrupts();
    std::signal(SIGXFSZ, SIG_IGN);
    const auto done = perplexity(*options, std::cin, std::cout, [terminal](const std::string& line) {
      if (terminal) std::cerr << line << '\n';
    });
    exit_code = done ? kExitOk : fail(done.error().message, interrupted() != 0 ? 128 + interrupted() : kExitFailed);
  });
}

}  // namespace llorch::tools
