// What `inspect` finds out, apart from how it is printed.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "model_file/model_file.hpp"
#include "plugin/plugin.hpp"
#include "tools/inspect.hpp"

namespace llorch::tools {

struct TypeTotal {
  std::uint64_t tensors = 0, elements = 0, bytes = 0;
};

/// One plugin's answer: what it needs, or why it does not run the model.
struct MemoryAnswer {
  std::string plugin;
  std::optional<plugin::MemoryUse> use;
  std::string refusal;
};

struct TokenizerSummary {
  std::string kind;  ///< empty when there is none
  std::uint32_t vocab_size = 0;
  std::optional<std::int32_t> bos, eos;
  std::string problem;  ///< why there is none
};

struct InspectReport {
  std::unique_ptr<model_file::ModelFile> model;
  std::map<std::string, TypeTotal> types;  ///< by name
  TypeTotal total;
  TokenizerSummary tokenizer;
  std::uint32_t context = 0;  ///< 0: not known
  KvTypeNames kv = {};        ///< of the cache that the memory is for
  std::vector<MemoryAnswer> memory;
};

/// "F32", "Q4_K".
[[nodiscard]] std::string type_name(std::uint32_t ggml_type);
[[nodiscard]] std::uint64_t element_count(const model_file::Tensor& tensor);

[[nodiscard]] Result<InspectReport> make_report(const InspectOptions& options);

[[nodiscard]] std::string report_text(const InspectReport& report, bool with_tensors);
/// One JSON object on one line.
[[nodiscard]] std::string report_json(const InspectReport& report, bool with_tensors);

}  // namespace llorch::tools
