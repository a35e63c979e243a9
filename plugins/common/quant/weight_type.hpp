// Element types of weights. Plain data only: included by files compiled for one instruction set and by device code.
#pragma once

#include <cstdint>

namespace llorch::common {

/// Those from kQ4_0 on are quantized: blocks of small integers with scales (common/quant/block_formats.hpp).
enum class WeightType : std::uint32_t {
  kF32,
  kF16,
  kBf16,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kIq4Nl,
  kIq4Xs
};
[[nodiscard]] constexpr bool is_quantized(WeightType type) {
  return type >= WeightType::kQ4_0;
}

}  // namespace llorch::common
