// The element types of GGUF files: ids, block sizes, byte sizes. The ids are part of the format and never change.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace llorch::model_file {

enum GgmlType : std::uint32_t {
  kGgmlF32 = 0,
  kGgmlF16 = 1,
  kGgmlI8 = 24,
  kGgmlI16 = 25,
  kGgmlI32 = 26,
  kGgmlI64 = 27,
  kGgmlF64 = 28,
  kGgmlBf16 = 30
};

struct GgmlTypeInfo {
  std::string_view name;      ///< "F32", "Q4_K", ...
  std::uint32_t block = 0;    ///< elements in a block; rows hold whole blocks
  std::uint32_t n_bytes = 0;  ///< bytes of a block
};

/// Nothing for ids that were never given or were taken back (4, 5, 31 to 33, 36 to 38).
[[nodiscard]] std::optional<GgmlTypeInfo> ggml_type_info(std::uint32_t id) noexcept;

/// Bytes of a tensor, rows along the innermost (last) dimension. Nothing when a product does not fit 64 bits or when a
/// row is not a whole number of blocks.
[[nodiscard]] std::optional<std::uint64_t> tensor_bytes(const GgmlTypeInfo& type,
                                                        std::span<const std::uint64_t> dims) noexcept;

/// a * b, or nothing when it does not fit.
[[nodiscard]] inline std::optional<std::uint64_t> checked_multiply(std::uint64_t a, std::uint64_t b) noexcept {
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

}  // namespace llorch::model_file
