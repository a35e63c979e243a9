// A tensor as a file has it, before names and orientation become canonical.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace llorch::model_file {

inline constexpr std::uint32_t kNoGgmlType = 0xFFFFFFFF;  ///< a safetensors dtype that GGUF has no id for
inline constexpr std::size_t kMaxDims = 8;                ///< as many as llorch_tensor holds

struct StoredTensor {
  std::string name;
  std::uint32_t ggml_type = 0;      ///< or kNoGgmlType
  std::string type_name;            ///< as the file's format spells it
  std::vector<std::uint64_t> dims;  ///< outermost first
  std::uint64_t nbytes = 0;
  std::uint64_t offset = 0;  ///< of the first byte, from the start of the file
  std::uint32_t file = 0;    ///< which of the model's files
};

/// "[768, 2304]"
[[nodiscard]] std::string shape_text(const std::vector<std::uint64_t>& dims);

}  // namespace llorch::model_file
