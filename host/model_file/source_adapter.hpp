// A LoadedModel as the C structure that plugins read.
#pragma once

#include <llorch/llorch_plugin.h>

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "model_file/loaded_model.hpp"

namespace llorch::model_file {

/// Implements llorch_source as llorch_plugin.h describes it. Lives and dies with its model. Arrays of arrays are not
/// offered (UNSUPPORTED). [any-thread]
class SourceAdapter {
 public:
  explicit SourceAdapter(const LoadedModel& model);
  SourceAdapter(const SourceAdapter&) = delete;
  SourceAdapter& operator=(const SourceAdapter&) = delete;
  [[nodiscard]] const llorch_source& source() const { return source_; }

 private:
  static llorch_status tensor_at(const llorch_source* source, std::uint64_t index, llorch_tensor* out) noexcept;
  static llorch_status tensor_find(const llorch_source* source, llorch_str name, llorch_tensor* out) noexcept;
  static llorch_status tensor_read(const llorch_source* source, std::uint64_t index, std::uint64_t offset, void* dst,
                                   std::uint64_t n) noexcept;
  static llorch_status meta_get(const llorch_source* source, llorch_str key, llorch_value* out) noexcept;

  llorch_status describe(std::uint64_t index, llorch_tensor* out) const;
  llorch_status describe(const std::string& key, const Value& value, llorch_value* out);
  const llorch_str* string_array(const std::string& key, const Array& array);

  const LoadedModel& model_;
  llorch_source source_ = {};
  std::mutex mutex_;
  std::map<std::string, std::vector<llorch_str>> string_arrays_;  ///< built when first asked for; guarded by mutex_
};

}  // namespace llorch::model_file
