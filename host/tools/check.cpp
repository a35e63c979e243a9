#include "tools/check.hpp"

#include <spdlog/fmt/fmt.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <iostream>
#include <memory>
#include <utility>

#include "checkpoint/known_facts.hpp"
#include "checkpoint/ladder.hpp"
#include "model_file/model_file.hpp"
#include "plugin/plugin.hpp"
#include "tokenizer/tokenizer.hpp"
#include "tools/command.hpp"
#include "tools/load_model.hpp"

namespace llorch::tools {
namespace {

namespace json = boost::json;
using checkpoint::Finding;
using checkpoint::LadderResult;
using checkpoint::Rung;
using checkpoint::Verdict;

constexpr std::string_view kRow = "{:<5} {:<22} {:<49} {:>10}  {:>9}  {}\n";

std::string number(double value) {
  return std::isfinite(value) ? fmt::format("{:.2e}", value) : std::string("-");
}

void write_rung(const Rung& rung, std::ostream& out) {
  bool first = true;
  for (const Finding& finding : rung.findings) {
    const bool compared = finding.verdict != Verdict::kSkipped;
    const bool exact = finding.tolerance == 0.0;
    out << fmt::format(kRow, first ? rung.number : "", first ? rung.component : "", finding.subject,
                       compared && !exact ? number(finding.max_error) : "",
                       !compared ? "" : (exact ? "exact" : fmt::format("{:.0e}", finding.tolerance)),
                       to_string(finding.verdict));
    if (!finding.detail.empty() && finding.verdict == Verdict::kNo) out << fmt::format("      {}\n", finding.detail);
    first = false;
  }
  out.flush();
}

json::object to_json(const LadderResult& result, const CheckOptions& options, const std::string& plugin) {
  json::array rungs;
  for (const Rung& rung : result.rungs) {
    json::array findings;
    for (const Finding& finding : rung.findings) {
      json::object one{
          {"subject", finding.subject}, {"tolerance", finding.tolerance}, {"verdict", to_string(finding.verdict)}};
      // JSON has no infinity: a difference that is no number is null.
      one["max_error"] = std::isfinite(finding.max_error) ? json::value(finding.max_error) : json::value(nullptr);
      if (!finding.detail.empty()) one["detail"] = finding.detail;
      findings.push_back(std::move(one));
    }
    rungs.push_back(json::object{{"rung", rung.number},
                                 {"component", rung.component},
                                 {"verdict", to_string(rung.verdict())},
                                 {"findings", std::move(findings)}});
  }
  json::object out{
      {"model", options.model.string()}, {"plugin", plugin}, {"passed", result.passed()}, {"rungs", std::move(rungs)}};
  if (!result.first_difference.empty()) out["first_difference"] = result.first_difference;
  return out;
}

Result<LadderResult> run(const CheckOptions& options, const checkpoint::Subject& subject,
                         const model_file::ModelFile& file, const std::function<void(const Rung&)>& on_rung) {
  if (!options.known.empty()) {
    const auto known = checkpoint::find_known_model(options.known);
    if (!known) return known.error();
    return checkpoint::check_known(subject, file, **known, on_rung);
  }
  const auto reference = checkpoint::Reference::read(options.reference);
  if (!reference) return reference.error();
  return checkpoint::climb(subject, *reference, checkpoint::tolerances_for(file), on_rung);
}

}  // namespace

Result<bool> check(const CheckOptions& options, std::ostream& out) {
  const auto file = model_file::ModelFile::open(options.model);
  if (!file) return file.error();
  const auto plugin = plugin::choose_plugin(options.plugin, options.plugin_dir, (*file)->source());
  if (!plugin) return plugin.error();
  if (const auto device = (*plugin)->use_device(options.device); !device) return device.error();
  const auto model = create_model(**plugin, **file);
  if (!model) return model.error();
  // A model without a tokenizer is compared up to its token ids.
  const auto tokenizer = tokenizer::load_tokenizer(**file);
  const KvTypes kv = kv_types(options.kv);
  const checkpoint::Subject subject{model->get(), tokenizer ? tokenizer->get() : nullptr, options.threads, kv.k, kv.v};

  if (!options.json) {
    out << fmt::format("{} {} on {}\n", (*plugin)->info().id, (*plugin)->info().version, options.model.string());
    out << fmt::format(kRow, "rung", "component", "compared", "max error", "tolerance", "matches");
  }
  const auto result = run(options, subject, **file, [&](const Rung& rung) {
    if (!options.json) write_rung(rung, out);
  });
  if (!result) return explain_refusal(result.error(), options.kv);
  if (options.json) {
    out << json::serialize(to_json(*result, options, (*plugin)->info().id)) << '\n';
  } else if (result->passed()) {
    out << "every rung holds\n";
  } else {
    out << fmt::format("rung {} ({}) does not hold; the rungs above it were not climbed\nfirst difference: {}\n",
                       result->rungs.back().number, result->rungs.back().component, result->first_difference);
  }
  out.flush();
  if (!out) return make_error(ErrorCode::kIo, "cannot write the output");
  return result->passed();
}

void add_check(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<CheckOptions>();
  CLI::App* command = app.add_subcommand("check", "Compare a plugin's forward pass with an independent reference");
  command->add_option("--model", options->model, "GGUF file or Hugging Face directory")->required();
  command->add_option("--plugin", options->plugin, "Plugin name or path (default: the first that can run the model)");
  command->add_option("--plugin-dir", options->plugin_dir, "Directory to look in before the installed one");
  command->add_option("--device", options->device, "Device of the plugin, as `llorch-host plugins` lists them");
  auto* reference = command->add_option("--reference", options->reference,
                                        "Directory with manifest.json and tensors (docs/checkpoints.md)");
  std::string names;
  for (const auto& known : checkpoint::known_models())
    names += (names.empty() ? "" : ", ") + std::string(known.name);
  command->add_option("--known", options->known, "Published facts about a well-known model: " + names)
      ->excludes(reference);
  command->add_option("--threads", options->threads, "Compute threads")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  add_kv_type_flags(*command, options->kv);
  command->add_flag("--json", options->json, "One JSON object instead of a table");
  command->footer(
      "Stops at the first component that differs and says where.\n"
      "Example: llorch-host check --model models/tiny-gpt2 --reference tests/fixtures/tiny_gpt2_reference\n"
      "Exit code 0 when every rung holds, 1 when one does not, 2 for bad usage.");
  command->callback([options, &exit_code] {
    if (options->reference.empty() == options->known.empty()) {
      exit_code = fail("check: give either --reference DIR or --known NAME", kExitUsage);
      return;
    }
    const auto passed = check(*options, std::cout);
    if (!passed) std::cerr << "llorch-host check: " << passed.error().message << '\n';
    exit_code = passed && *passed ? 0 : 1;
  });
}

}  // namespace llorch::tools
