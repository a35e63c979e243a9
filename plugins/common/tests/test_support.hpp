// What the tests of plugins share: random numbers, and comparisons that say where they failed.
#pragma once

#include <bit>
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace llorch::common::testing {

inline std::vector<float> random_floats(std::size_t n, unsigned seed, float scale = 1.0f) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> values(n);
  for (float& v : values)
    v = normal(generator);
  return values;
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

}  // namespace llorch::common::testing
