// The report of `inspect` for programs.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "tools/inspect_report.hpp"
#include "tools/metadata_text.hpp"

namespace llorch::tools {
namespace {

namespace json = boost::json;

json::object totals(const TypeTotal& total) {
  return {{"tensors", total.tensors}, {"elements", total.elements}, {"bytes", total.bytes}};
}

json::value tokenizer_json(const TokenizerSummary& tokenizer) {
  if (tokenizer.kind.empty()) return {{"error", text_json(tokenizer.problem)}};
  json::object out;
  out["kind"] = text_json(tokenizer.kind);
  out["vocab_size"] = tokenizer.vocab_size;
  out["bos"] = tokenizer.bos ? json::value(*tokenizer.bos) : json::value(nullptr);
  out["eos"] = tokenizer.eos ? json::value(*tokenizer.eos) : json::value(nullptr);
  return out;
}

json::array tensors_json(const InspectReport& report) {
  json::array out;
  for (const auto& tensor : report.model->tensors()) {
    json::object one;
    one["name"] = text_json(tensor.name);
    one["type"] = text_json(type_name(tensor.ggml_type));
    one["dims"] = json::array(tensor.dims.begin(), tensor.dims.end());
    one["bytes"] = tensor.nbytes;
    if (!tensor.source_name.empty()) one["source_name"] = text_json(tensor.source_name);
    out.push_back(std::move(one));
  }
  return out;
}

json::array memory_json(const InspectReport& report) {
  json::array out;
  for (const MemoryAnswer& answer : report.memory) {
    json::object one;
    one["plugin"] = text_json(answer.plugin);
    if (answer.use) {
      one["context"] = report.context;
      one["kv_type"] = to_string(report.kv);
      one["weights"] = answer.use->weights;
      one["kv"] = answer.use->kv;
      one["scratch"] = answer.use->scratch;
      one["fixed"] = answer.use->fixed;
      one["total"] = answer.use->total();
      one["on_device"] = answer.use->device_bytes;
    } else {
      one["error"] = text_json(answer.refusal);
    }
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace

std::string report_json(const InspectReport& report, bool with_tensors) {
  const auto& model = *report.model;
  json::object out;
  out["path"] = text_json(model.path().native());
  out["format"] = model.format() == model_file::Format::kGguf ? "gguf" : "huggingface";
  out["architecture"] = text_json(model.architecture());
  out["bytes_on_disk"] = model.bytes_on_disk();
  out["total"] = totals(report.total);
  json::object types;
  for (const auto& [name, total] : report.types) {
    types[name] = totals(total);
  }
  out["types"] = std::move(types);
  json::object metadata;
  for (const auto& [key, value] : model.metadata().entries()) {
    metadata[key] = metadata_json(value);
  }
  out["metadata"] = std::move(metadata);
  out["tokenizer"] = tokenizer_json(report.tokenizer);
  out["memory"] = memory_json(report);
  if (with_tensors) out["tensors"] = tensors_json(report);
  return json::serialize(out) + "\n";
}

}  // namespace llorch::tools
