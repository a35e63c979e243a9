// What the kernel tests share: random numbers, packing, and comparisons that say where they failed.
#pragma once

#include <bit>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "cpu/kernels/select.hpp"

namespace llorch::cpu::testing {

inline std::vector<float> random_floats(std::size_t n, unsigned seed, float scale = 1.0f) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> values(n);
  for (float& v : values)
    v = normal(generator);
  return values;
}

/// Every table but the scalar one, which is the oracle.
inline std::vector<const KernelTable*> vector_kernels() {
  const auto& all = available_kernels();
  return {all.begin() + 1, all.end()};
}

/// Equal bit by bit; names the first difference.
inline boost::test_tools::assertion_result same_bits(const float* expected, const float* found, std::size_t n,
                                                     const std::string& where) {
  for (std::size_t i = 0; i < n; ++i) {
    if (std::bit_cast<std::uint32_t>(expected[i]) == std::bit_cast<std::uint32_t>(found[i])) continue;
    boost::test_tools::assertion_result no(false);
    no.message() << where << ": element " << i << " of " << n << ": expected " << std::hexfloat << expected[i]
                 << ", found " << found[i];
    return no;
  }
  return boost::test_tools::assertion_result(true);
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
