// Quantized test matrices: random blocks with ordinary scales, their packed form and their exact values.
#pragma once

#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "cpu/kernels/packing.hpp"
#include "cpu/quant/block_formats.hpp"
#include "cpu/quant/dequantize.hpp"
#include "cpu/quant/repack.hpp"

namespace llorch::cpu::testing {

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

class QuantMatrix {
 public:
  QuantMatrix(WeightType type, std::int64_t rows, std::int64_t columns, unsigned seed)
      : blocks_(random_blocks(type, rows * columns, seed)), values_(static_cast<std::size_t>(rows * columns)) {
    dequantize(type, blocks_.data(), rows * columns, values_.data());
    const std::int64_t row_bytes = static_cast<std::int64_t>(blocks_.size()) / rows;
    const std::int64_t group = packed_format(type).group_bytes(columns);
    packed_.resize(static_cast<std::size_t>((rows + kLanes - 1) / kLanes * group / 64));
    auto* out = reinterpret_cast<std::uint8_t*>(packed_.data());
    for (std::int64_t r = 0; r < rows; r += kLanes)
      repack_group(type, blocks_.data() + r * row_bytes, rows - r < kLanes ? rows - r : kLanes, columns,
                   out + r / kLanes * group);
    view_ = {packed_.data(), type, rows, columns};
  }
  [[nodiscard]] const PackedView& view() const { return view_; }
  [[nodiscard]] const std::vector<float>& values() const { return values_; }
  [[nodiscard]] const std::vector<std::uint8_t>& blocks() const { return blocks_; }

 private:
  struct alignas(64) Line {
    std::uint8_t bytes[64] = {};
  };
  std::vector<std::uint8_t> blocks_;
  std::vector<float> values_;
  std::vector<Line> packed_;
  PackedView view_{};
};

}  // namespace llorch::cpu::testing
