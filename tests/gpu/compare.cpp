#include "compare.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "report.hpp"

namespace llorch::gpu_check {

namespace {

void require_numbers(const std::vector<float>& found, const std::vector<float>& expected) {
  require(found.size() == expected.size() && !found.empty(), "other numbers of logits");
  for (std::size_t i = 0; i < found.size(); ++i) {
    require(std::isfinite(found[i]) && std::isfinite(expected[i]),
            "logit " + std::to_string(i) + ": found " + number(found[i]) + ", expected " + number(expected[i]));
  }
}

}  // namespace

double relative(const std::vector<float>& found, const std::vector<float>& expected) {
  require_numbers(found, expected);
  double scale = 0;
  for (const float one : expected)
    scale = std::max(scale, std::fabs(static_cast<double>(one)));
  require(scale > 0, "all logits that are expected are zero");
  return largest_difference(found, expected) / scale;
}

RootMeanSquare relative_rms(const std::vector<float>& found, const std::vector<float>& expected, std::size_t width) {
  require_numbers(found, expected);
  std::vector<double> rows;
  double differences = 0, squares = 0;
  for (std::size_t first = 0; first + width <= found.size(); first += width) {
    double row_differences = 0, row_squares = 0;
    for (std::size_t i = first; i < first + width; ++i) {
      const double d = static_cast<double>(found[i]) - static_cast<double>(expected[i]);
      row_differences += d * d;
      row_squares += static_cast<double>(expected[i]) * static_cast<double>(expected[i]);
    }
    require(row_squares > 0, "all logits of a row that are expected are zero");
    rows.push_back(std::sqrt(row_differences / row_squares));
    differences += row_differences;
    squares += row_squares;
  }
  require(!rows.empty(), "no row of logits");
  const auto median = rows.begin() + static_cast<std::ptrdiff_t>(rows.size() / 2);
  std::nth_element(rows.begin(), median, rows.end());
  return {std::sqrt(differences / squares), *median};
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    most = std::isfinite(d) ? std::max(most, d) : INFINITY;
  }
  return most;
}

void require_same(const std::vector<float>& found, const std::vector<float>& expected, std::size_t first_row,
                  std::size_t width, const std::string& what) {
  require(width > 0 && first_row * width + found.size() <= expected.size() && found.size() % width == 0,
          what + ": other numbers of logits");
  std::size_t differing = 0, first = 0;
  float most = 0;
  for (std::size_t row = 0; row < found.size() / width; ++row) {
    const float* a = found.data() + row * width;
    const float* b = expected.data() + (first_row + row) * width;
    if (std::memcmp(a, b, width * sizeof(float)) == 0) continue;
    if (differing++ == 0) first = first_row + row;
    for (std::size_t i = 0; i < width; ++i)
      most = std::isfinite(a[i] - b[i]) ? std::max(most, std::fabs(a[i] - b[i])) : INFINITY;
  }
  require(differing == 0, what + ": " + std::to_string(differing) + " of " + std::to_string(found.size() / width) +
                              " rows have other bytes, the first is row " + std::to_string(first) +
                              ", the largest difference " + number(most));
}

void require_logits(const float* logits, std::size_t n, const std::string& what) {
  require(logits != nullptr && n > 0, what + ": no logits");
  for (std::size_t i = 0; i < n; ++i)
    require(std::isfinite(logits[i]), what + ": logit " + std::to_string(i) + " is " + number(logits[i]));
  const auto [least, most] = std::minmax_element(logits, logits + n);
  require(*least < *most, what + ": all logits are " + number(*least));
}

}  // namespace llorch::gpu_check
