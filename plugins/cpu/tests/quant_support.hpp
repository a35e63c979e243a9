// Quantized test matrices: random blocks, their packed form and their exact values.
#pragma once

#include <cstdint>
#include <vector>

#include "common/quant/dequantize.hpp"
#include "common/tests/quant_support.hpp"
#include "cpu/kernels/packing.hpp"
#include "cpu/quant/repack.hpp"

namespace llorch::cpu::testing {

using common::testing::kQuantTypes;
using common::testing::random_blocks;

class QuantMatrix {
 public:
  QuantMatrix(WeightType type, std::int64_t rows, std::int64_t columns, unsigned seed)
      : blocks_(random_blocks(type, rows * columns, seed)), values_(static_cast<std::size_t>(rows * columns)) {
    common::dequantize(type, blocks_.data(), rows * columns, values_.data());
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
