#include "tools/inspect.hpp"

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "tools/inspect_report.hpp"

namespace llorch::tools {

Result<void> inspect(const InspectOptions& options, std::ostream& out) {
  const auto report = make_report(options);
  if (!report) return report.error();
  out << (options.json ? report_json(*report, options.tensors) : report_text(*report, options.tensors));
  out.flush();
  if (!out) return make_error(ErrorCode::kIo, "cannot write the output");
  return {};
}

void add_inspect(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand("inspect", "Show what a model file holds and how much memory it would take");
  command->footer(
      "The file is validated, nothing is allocated for it. Memory is what each installed plugin that runs the model\n"
      "says it would need.\n\n"
      "Examples:\n"
      "  llorch-host inspect models/tiny-gpt2\n"
      "  llorch-host inspect --tensors --context 2048 llama-2-7b.Q4_K_M.gguf\n"
      "  llorch-host inspect --json model.gguf | jq .total.bytes");
  auto options = std::make_shared<InspectOptions>();
  command->add_option("model", options->model, "GGUF file, safetensors file or Hugging Face directory")->required();
  command->add_option("-c,--context", options->context, "Tokens the KV cache should hold (default: the model's)");
  add_kv_type_flags(*command, options->kv);
  command->add_flag("-t,--tensors", options->tensors, "List every tensor");
  command->add_flag("--json", options->json, "Print one JSON object");
  command->add_option("--plugin", options->plugin, "Ask only this plugin (name or path)");
  command->add_option("--plugin-dir", options->plugin_dir, "Look for plugins here first");
  command->callback([options, &exit_code] {
    const auto done = inspect(*options, std::cout);
    if (!done) std::cerr << "llorch-host inspect: " << done.error().message << '\n';
    exit_code = done ? 0 : 1;
  });
}

}  // namespace llorch::tools
