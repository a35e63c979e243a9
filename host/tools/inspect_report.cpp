#include "tools/inspect_report.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "model_file/ggml_type.hpp"
#include "tokenizer/tokenizer.hpp"

namespace llorch::tools {
namespace {

namespace fs = std::filesystem;
using model_file::ModelFile;
using model_file::Tensor;

TokenizerSummary summarize_tokenizer(const ModelFile& model) {
  TokenizerSummary out;
  const auto tokenizer = tokenizer::load_tokenizer(model);
  if (!tokenizer) {
    out.problem = tokenizer.error().message;
    return out;
  }
  out.kind = (*tokenizer)->kind();
  out.vocab_size = (*tokenizer)->vocab_size();
  out.bos = (*tokenizer)->bos();
  out.eos = (*tokenizer)->eos();
  return out;
}

std::uint32_t context_length(const ModelFile& model) {
  const auto length = model.metadata().optional_u64(fmt::format("{}.context_length", model.architecture()));
  if (!length || !*length) return 0;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(**length, std::numeric_limits<std::uint32_t>::max()));
}

MemoryAnswer ask_plugin(const fs::path& path, const ModelFile& model, std::uint32_t context, const KvTypeNames& kv) {
  MemoryAnswer answer;
  answer.plugin = path.stem().native();
  const auto loaded = plugin::load_listed(path);
  if (!loaded) {
    answer.refusal = loaded.error().message;
    return answer;
  }
  if (const auto info = (*loaded)->probe(model.source()); !info) {
    answer.refusal = info.error().message;
    return answer;
  }
  plugin::ContextParams params;
  params.max_tokens = context;
  params.max_batch_tokens = std::min(params.max_batch_tokens, context);
  kv_types(kv).put_into(params);
  const auto use = (*loaded)->estimate_memory(model.source(), params);
  if (use) {
    answer.use = *use;
  } else {
    answer.refusal = explain_refusal(use.error(), kv).message;
  }
  return answer;
}

}  // namespace

std::string type_name(std::uint32_t ggml_type) {
  const auto info = model_file::ggml_type_info(ggml_type);
  return info ? std::string(info->name) : fmt::format("type {}", ggml_type);
}

std::uint64_t element_count(const Tensor& tensor) {
  std::uint64_t count = 1;
  for (const std::uint64_t dim : tensor.dims) {
    count *= dim;
  }
  return count;
}

Result<InspectReport> make_report(const InspectOptions& options) {
  InspectReport report;
  auto model = ModelFile::open(options.model, {.vocabulary_only = true});
  if (!model) return model.error();
  report.model = std::move(*model);
  report.tokenizer = summarize_tokenizer(*report.model);
  if (report.model->tensors().empty() && report.model->architecture().empty() && !report.tokenizer.vocab_size) {
    return make_error(
        ErrorCode::kInvalidArgument,
        fmt::format("{}: no model in it: expected weights, a config.json with an architecture or a tokenizer",
                    options.model.string()));
  }
  for (const Tensor& tensor : report.model->tensors()) {
    for (TypeTotal* total : {&report.types[type_name(tensor.ggml_type)], &report.total}) {
      ++total->tensors;
      total->elements += element_count(tensor);
      total->bytes += tensor.nbytes;
    }
  }
  report.kv = options.kv;
  report.context = options.context > 0 ? options.context : context_length(*report.model);
  if (report.model->tensors().empty() || report.context == 0) return report;

  std::vector<fs::path> plugins;
  if (options.plugin.empty()) {
    plugins = plugin::list_plugins(options.plugin_dir);
  } else {
    const auto found = plugin::find_plugin(options.plugin, options.plugin_dir);
    if (!found) return found.error();
    plugins = {*found};
  }
  for (const fs::path& path : plugins) {
    report.memory.push_back(ask_plugin(path, *report.model, report.context, options.kv));
  }
  return report;
}

}  // namespace llorch::tools
