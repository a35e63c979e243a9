// Model metadata under GGUF key names, whatever the file format it came from.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.hpp"

namespace llorch::model_file {

/// Types of array elements, numbered as in GGUF files.
enum class ElementType : std::uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12
};

/// "u8", "string", ...
[[nodiscard]] std::string_view element_name(ElementType type);

/// An array value. Scalars stay where the file has them (`data`, possibly unaligned); strings are views into the file.
/// Both are valid as long as the ModelFile lives.
struct Array {
  ElementType type = ElementType::kU8;
  std::uint64_t count = 0;
  const std::byte* data = nullptr;                               ///< packed scalars, little-endian; null for strings
  std::shared_ptr<const std::vector<std::string_view>> strings;  ///< set for kString only
};

using Value = std::variant<bool, std::int64_t, std::uint64_t, double, std::string_view, Array>;

/// Keys and typed access. A getter fails with a message naming file, key, the type expected and the type found;
/// the `optional` form distinguishes "absent" (empty) from "present with a wrong type" (an error). [any-thread]
class Metadata {
 public:
  explicit Metadata(std::string origin = {}) : origin_(std::move(origin)) {}

  [[nodiscard]] const Value* find(std::string_view key) const;
  [[nodiscard]] const std::map<std::string, Value, std::less<>>& entries() const { return entries_; }
  /// False when the key is there already; the first value stays.
  bool insert(std::string key, Value value);

  [[nodiscard]] Result<std::optional<std::uint64_t>> optional_u64(std::string_view key) const;
  [[nodiscard]] Result<std::optional<double>> optional_f64(std::string_view key) const;
  [[nodiscard]] Result<std::optional<bool>> optional_bool(std::string_view key) const;
  [[nodiscard]] Result<std::optional<std::string_view>> optional_string(std::string_view key) const;
  [[nodiscard]] Result<std::uint64_t> u64(std::string_view key) const;
  [[nodiscard]] Result<double> f64(std::string_view key) const;
  [[nodiscard]] Result<std::string_view> string(std::string_view key) const;
  [[nodiscard]] Result<std::vector<std::string_view>> strings(std::string_view key) const;
  /// Any integer element type, widened.
  [[nodiscard]] Result<std::vector<std::int64_t>> integers(std::string_view key) const;
  [[nodiscard]] Result<std::vector<float>> floats(std::string_view key) const;

 private:
  std::string origin_;  ///< path, for messages
  std::map<std::string, Value, std::less<>> entries_;
};

}  // namespace llorch::model_file
