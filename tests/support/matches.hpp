// "Matches the reference? Yes or no": assertions that print the worst element.
#pragma once

#include <algorithm>
#include <bit>
#include <boost/test/test_tools.hpp>
#include <boost/test/tools/assertion_result.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/difference.hpp"
#include "checkpoint/npy.hpp"

namespace llorch::testing {

inline std::string dims_text(std::span<const std::uint64_t> dims) {
  std::string out = "(";
  for (const std::uint64_t dim : dims)
    out += (out.size() > 1 ? ", " : "") + std::to_string(dim);
  return out + ")";
}

/// Same shape, and no element further than `tolerance` from the expected one; equal infinities match, NaN never does.
inline boost::test_tools::assertion_result matches(const checkpoint::Tensor& actual, const checkpoint::Tensor& expected,
                                                   double tolerance) {
  boost::test_tools::assertion_result result(true);
  if (actual.dims != expected.dims) {
    result = false;
    result.message() << "shape: found " << dims_text(actual.dims) << ", expected " << dims_text(expected.dims);
    return result;
  }
  const checkpoint::Difference difference = checkpoint::compare(actual.values, expected.values);
  result = difference.max_error <= tolerance;
  result.message() << checkpoint::place(difference.index, expected.dims) << ": found " << difference.actual
                   << ", expected " << difference.expected << ", difference " << difference.max_error << ", tolerance "
                   << tolerance;
  return result;
}

/// Bit for bit the same.
inline boost::test_tools::assertion_result same_bytes(std::span<const float> actual, std::span<const float> expected) {
  boost::test_tools::assertion_result result(true);
  if (actual.size() != expected.size()) {
    result = false;
    result.message() << "found " << actual.size() << " elements, expected " << expected.size();
    return result;
  }
  for (std::size_t i = 0; i < actual.size(); ++i) {
    if (std::bit_cast<std::uint32_t>(actual[i]) == std::bit_cast<std::uint32_t>(expected[i])) continue;
    result = false;
    result.message() << "element " << i << " of " << actual.size() << ": found " << actual[i] << ", expected "
                     << expected[i] << " (difference " << double{actual[i]} - double{expected[i]} << ")";
    return result;
  }
  return result;
}

inline boost::test_tools::assertion_result same_bytes(const std::vector<std::vector<float>>& actual,
                                                      const std::vector<std::vector<float>>& expected) {
  boost::test_tools::assertion_result result(true);
  if (actual.size() != expected.size()) {
    result = false;
    result.message() << "found " << actual.size() << " rows, expected " << expected.size();
    return result;
  }
  for (std::size_t row = 0; row < actual.size(); ++row) {
    auto same = same_bytes(std::span(actual[row]), std::span(expected[row]));
    if (same) continue;
    result = false;
    result.message() << "row " << row << ": " << same.message().str();
    return result;
  }
  return result;
}

}  // namespace llorch::testing
