// Random blocks of every quantized type, with ordinary scales.
#pragma once

#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "common/quant/block_formats.hpp"

namespace llorch::common::testing {

inline constexpr WeightType kQuantTypes[] = {
    WeightType::kQ4_0, WeightType::kQ4_1, WeightType::kQ5_0, WeightType::kQ5_1, WeightType::kQ8_0,  WeightType::kQ2_K,
    WeightType::kQ3_K, WeightType::kQ4_K, WeightType::kQ5_K, WeightType::kQ6_K, WeightType::kIq4Nl, WeightType::kIq4Xs};

/// Offsets of the f16 numbers in a block: scale, and minimum or -1.
struct HalfOffsets {
  int scale, minimum;
};
inline HalfOffsets half_offsets(WeightType type) {
  switch (type) {
    case WeightType::kQ4_1:
    case WeightType::kQ5_1:
    case WeightType::kQ4_K:
    case WeightType::kQ5_K:
      return {0, 2};
    case WeightType::kQ2_K:
      return {80, 82};
    case WeightType::kQ3_K:
      return {108, -1};
    case WeightType::kQ6_K:
      return {208, -1};
    default:
      return {0, -1};
  }
}

/// Random blocks: all codes and small factors, scales between 2^-9 and 2^-7 of either sign.
inline std::vector<std::uint8_t> random_blocks(WeightType type, std::int64_t n_values, unsigned seed) {
  const BlockFormat& format = *block_format(type);
  std::mt19937 generator(seed);
  std::vector<std::uint8_t> blocks(static_cast<std::size_t>(n_values / format.columns * format.bytes));
  for (std::uint8_t& byte : blocks)
    byte = static_cast<std::uint8_t>(generator() >> 13);
  const HalfOffsets halves = half_offsets(type);
  for (std::size_t at = 0; at < blocks.size(); at += static_cast<std::size_t>(format.bytes)) {
    for (const int offset : {halves.scale, halves.minimum}) {
      if (offset < 0) continue;
      const auto half = static_cast<std::uint16_t>((generator() & 0x8000u) | (0x1800u + (generator() & 0x7ffu)));
      std::memcpy(&blocks[at + static_cast<std::size_t>(offset)], &half, sizeof half);
    }
  }
  return blocks;
}

}  // namespace llorch::common::testing
