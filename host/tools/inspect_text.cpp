// The report of `inspect` for people.
#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <array>
#include <string_view>

#include "base/text.hpp"
#include "tools/inspect_report.hpp"
#include "tools/metadata_text.hpp"

namespace llorch::tools {
namespace {

/// "12.3 MB"; decimal units, as on data sheets of memory and disks.
std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 5> kUnits = {"B", "kB", "MB", "GB", "TB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1000 && unit + 1 < kUnits.size(); ++unit)
    value /= 1000;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

void add_heading(std::string& out, const InspectReport& report) {
  const auto& model = *report.model;
  const bool gguf = model.format() == model_file::Format::kGguf;
  out += fmt::format("file          {}\n", model.path().native());
  out += fmt::format("format        {}\n", gguf ? "GGUF" : "Hugging Face directory");
  out += fmt::format("architecture  {}\n", model.architecture().empty() ? "not given" : one_line(model.architecture()));
  out += fmt::format("size          {} in {} tensors, {} elements\n", bytes_text(report.total.bytes),
                     report.total.tensors, report.total.elements);
  const TokenizerSummary& tokenizer = report.tokenizer;
  if (tokenizer.kind.empty()) {
    out += fmt::format("tokenizer     none: {}\n", tokenizer.problem);
  } else {
    out += fmt::format("tokenizer     {}, {} tokens", tokenizer.kind, tokenizer.vocab_size);
    if (tokenizer.bos) out += fmt::format(", BOS {}", *tokenizer.bos);
    if (tokenizer.eos) out += fmt::format(", EOS {}", *tokenizer.eos);
    out += '\n';
  }
}

/// Hyperparameters first, the rest behind.
void add_metadata(std::string& out, const InspectReport& report) {
  const std::string prefix = fmt::format("{}.", report.model->architecture());
  for (const bool hyperparameters : {true, false}) {
    out += hyperparameters ? "\nHyperparameters\n" : "\nMetadata\n";
    for (const auto& [key, value] : report.model->metadata().entries()) {
      if (key.starts_with(prefix) == hyperparameters) {
        out += fmt::format("  {:<44} {}\n", one_line(key), metadata_text(value));
      }
    }
  }
}

void add_tensors(std::string& out, const InspectReport& report, bool each) {
  if (report.total.tensors == 0) return;
  out += "\nTensors by type\n";
  for (const auto& [name, total] : report.types) {
    out += fmt::format("  {:<8} {:>6} tensors {:>16} elements {:>12}\n", name, total.tensors, total.elements,
                       bytes_text(total.bytes));
  }
  if (!each) return;
  out += "\nTensors\n";
  for (const auto& tensor : report.model->tensors()) {
    out += fmt::format("  {:<32} {:<8} {:<20} {:>12}{}\n", one_line(tensor.name), type_name(tensor.ggml_type),
                       fmt::format("[{}]", fmt::join(tensor.dims, ", ")), bytes_text(tensor.nbytes),
                       tensor.source_name.empty() ? "" : "  " + one_line(tensor.source_name));
  }
}

void add_memory(std::string& out, const InspectReport& report) {
  if (report.total.tensors == 0) return;
  if (report.context == 0) {
    out += "\nMemory: give --context, the file does not say how long its context is\n";
    return;
  }
  const std::string kv = to_string(report.kv);
  out += fmt::format("\nMemory for a context of {} tokens{}\n", report.context,
                     kv == "default" ? "" : fmt::format(", KV cache {}", kv));
  if (report.memory.empty()) out += "  no plugin was found\n";
  for (const MemoryAnswer& answer : report.memory) {
    if (!answer.use) {
      out += fmt::format("  {:<14} does not run this model: {}\n", answer.plugin, answer.refusal);
      continue;
    }
    const plugin::MemoryUse& use = *answer.use;
    out += fmt::format("  {:<14} {} = weights {} + KV cache {} + scratch {} + fixed {}\n", answer.plugin,
                       bytes_text(use.total()), bytes_text(use.weights), bytes_text(use.kv), bytes_text(use.scratch),
                       bytes_text(use.fixed));
    if (use.device_bytes > 0)
      out += fmt::format("  {:<14} of these {} on the device\n", "", bytes_text(use.device_bytes));
  }
}

}  // namespace

std::string report_text(const InspectReport& report, bool with_tensors) {
  std::string out;
  add_heading(out, report);
  add_metadata(out, report);
  add_tensors(out, report, with_tensors);
  add_memory(out, report);
  return out;
}

}  // namespace llorch::tools
