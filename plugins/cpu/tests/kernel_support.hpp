// What the kernel tests share: the tables to test, and packing.
#pragma once

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "common/tests/test_support.hpp"
#include "cpu/kernels/select.hpp"

namespace llorch::cpu::testing {

using common::testing::random_floats;
using common::testing::same_bits;

/// Every table but the scalar one, which is the oracle.
inline std::vector<const KernelTable*> vector_kernels() {
  const auto& all = available_kernels();
  return {all.begin() + 1, all.end()};
}

/// A matrix (rows, columns) of one type, row-major and packed, with its exact values as floats.
class TestMatrix {
 public:
  TestMatrix(WeightType type, std::int64_t rows, std::int64_t columns, unsigned seed) {
    const auto count = static_cast<std::size_t>(rows * columns);
    values_ = random_floats(count, seed, 0.1f);
    const std::int64_t groups = (rows + kLanes - 1) / kLanes;
    const std::size_t element = type == WeightType::kF32 ? 4 : 2;
    packed_.assign(static_cast<std::size_t>(groups * kLanes * columns) * element, 0);
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t k = 0; k < columns; ++k) {
        float& value = values_[static_cast<std::size_t>(r * columns + k)];
        std::uint32_t bits = 0;
        std::memcpy(&bits, &value, sizeof bits);
        if (type == WeightType::kBf16) bits = bits >> 16;
        if (type == WeightType::kF16) bits = (bits >> 16 & 0x8000u) | (0x2800u + (bits >> 3 & 0x7ffu));
        const auto at = static_cast<std::size_t>((r / kLanes * columns + k) * kLanes + r % kLanes) * element;
        std::memcpy(packed_.data() + at, &bits, element);
        if (type != WeightType::kF32) {
          scalar_kernels().widen(packed_.data() + at, type, 1, &value);
        }
      }
    }
    view_ = {packed_.data(), type, rows, columns};
  }
  [[nodiscard]] const PackedView& view() const { return view_; }
  [[nodiscard]] const std::vector<float>& values() const { return values_; }

 private:
  std::vector<float> values_;
  std::vector<unsigned char> packed_;
  PackedView view_{};
};

}  // namespace llorch::cpu::testing
