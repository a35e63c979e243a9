// Models as a plugin sees them: small ones made in memory, and any one with a fault put into it.
#pragma once

#include <llorch/llorch_plugin.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace llorch::conformance {

/// Tensors (f32) and metadata in memory. source() lives as long as this object. [any-thread] once filled.
class MemoryModel {
 public:
  using Value = std::variant<std::uint64_t, double, std::string>;
  MemoryModel();
  MemoryModel(const MemoryModel&) = delete;
  MemoryModel& operator=(const MemoryModel&) = delete;

  /// Random numbers around `mean`, always the same ones for the same name. Outermost dimension first.
  void add(const std::string& name, std::vector<std::uint64_t> dims, float spread = 0.3F, float mean = 0.0F);
  void set(const std::string& key, Value value) { values_[key] = std::move(value); }

  [[nodiscard]] const llorch_source& source() const { return source_; }
  [[nodiscard]] std::vector<std::string> keys() const;
  [[nodiscard]] std::uint64_t n_tensors() const { return tensors_.size(); }

 private:
  struct Tensor {
    std::string name;
    std::vector<std::uint64_t> dims;
    std::vector<float> values;
  };
  static const MemoryModel& self(const llorch_source* source) { return *static_cast<const MemoryModel*>(source->impl); }
  static llorch_status tensor_at(const llorch_source*, std::uint64_t, llorch_tensor*) noexcept;
  static llorch_status tensor_find(const llorch_source*, llorch_str, llorch_tensor*) noexcept;
  static llorch_status tensor_read(const llorch_source*, std::uint64_t, std::uint64_t, void*, std::uint64_t) noexcept;
  static llorch_status meta_get(const llorch_source*, llorch_str, llorch_value*) noexcept;

  std::vector<Tensor> tensors_;
  std::map<std::string, Value> values_;
  llorch_source source_{};
};

/// Fills `out` with a small random model of a family the kit knows: "gpt2", "llama", or "embedding", which has a
/// token_embd.weight and a context length only. False: unknown.
[[nodiscard]] bool make_small_model(const std::string& family, MemoryModel& out);

/// Another source with faults put in. Longer than version 1, with poison behind. [any-thread], once its members are
/// set.
class FaultySource {
 public:
  explicit FaultySource(const llorch_source& base);
  FaultySource(const FaultySource&) = delete;
  FaultySource& operator=(const FaultySource&) = delete;

  std::string hidden_tensor;   ///< NOT_FOUND
  std::string changed_tensor;  ///< `change` is called on each description of it
  std::function<void(llorch_tensor&)> change;
  std::string changed_key;  ///< answered by `value`; a value of type 0 means NOT_FOUND
  llorch_value value{};
  bool without_data = false;        ///< no tensor has `data`: tensor_read only
  std::int64_t reads_allowed = -1;  ///< then every tensor_read is DEVICE_ERROR; -1: all
  bool gone = false;                ///< no function may be called any more

  [[nodiscard]] const llorch_source& source() const { return grown_.known; }
  [[nodiscard]] std::uint64_t bytes_read() const { return bytes_read_; }
  [[nodiscard]] std::int64_t reads() const { return reads_; }
  [[nodiscard]] bool was_used_when_gone() const { return used_when_gone_; }

 private:
  /// What a later version of the struct would look like.
  struct Grown {
    llorch_source known;
    unsigned char later[64];
  };
  static FaultySource& self(const llorch_source* source) { return *static_cast<FaultySource*>(source->impl); }
  static llorch_status tensor_at(const llorch_source*, std::uint64_t, llorch_tensor*) noexcept;
  static llorch_status tensor_find(const llorch_source*, llorch_str, llorch_tensor*) noexcept;
  static llorch_status tensor_read(const llorch_source*, std::uint64_t, std::uint64_t, void*, std::uint64_t) noexcept;
  static llorch_status meta_get(const llorch_source*, llorch_str, llorch_value*) noexcept;
  [[nodiscard]] bool is_gone();
  llorch_status edit(llorch_status status, llorch_tensor& tensor, llorch_tensor* out) const;

  const llorch_source& base_;
  Grown grown_{};
  std::atomic<std::uint64_t> bytes_read_ = 0;
  std::atomic<std::int64_t> reads_ = 0;
  std::atomic<bool> used_when_gone_ = false;
};

/// Name of each tensor of a source.
[[nodiscard]] std::vector<std::string> tensor_names(const llorch_source& source);

}  // namespace llorch::conformance
