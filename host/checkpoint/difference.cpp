#include "checkpoint/difference.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace llorch::checkpoint {

Difference compare(std::span<const float> actual, std::span<const float> expected) {
  Difference out;
  double sum = 0.0;
  std::size_t finite = 0;
  bool any = false;
  for (std::size_t i = 0; i < std::min(actual.size(), expected.size()); ++i) {
    double error = 0.0;
    if (std::isfinite(actual[i]) && std::isfinite(expected[i])) {
      error = std::fabs(double{actual[i]} - double{expected[i]});
      sum += error;
      ++finite;
    } else if (!(actual[i] == expected[i])) {  // NaN equals nothing, infinities equal themselves
      error = std::numeric_limits<double>::infinity();
    }
    if (!any || error > out.max_error) {
      any = true;
      out.max_error = error;
      out.index = i;
      out.actual = actual[i];
      out.expected = expected[i];
    }
  }
  if (finite > 0) out.mean_error = sum / static_cast<double>(finite);
  return out;
}

Agreement agreement(std::span<const float> actual, std::span<const float> expected, std::size_t width) {
  const Difference difference = compare(actual, expected);
  Agreement out{difference.max_error, difference.mean_error, 0.0, 0, 0};
  for (std::size_t begin = 0; width > 0 && begin + width <= expected.size(); begin += width) {
    const auto found = actual.subspan(begin, width);
    const auto wanted = expected.subspan(begin, width);
    const std::vector<double> p = softmax(wanted);
    const std::vector<double> q = softmax(found);
    for (std::size_t i = 0; i < width; ++i) {
      if (p[i] > 0.0) out.kl += p[i] * std::log(p[i] / q[i]);
    }
    ++out.rows;
    const auto best = [](std::span<const float> row) { return std::max_element(row.begin(), row.end()) - row.begin(); };
    if (best(found) == best(wanted)) ++out.same_best;
  }
  if (out.rows > 0) out.kl /= static_cast<double>(out.rows);
  return out;
}

std::string place(std::size_t index, std::span<const std::uint64_t> dims) {
  std::vector<std::size_t> coordinates(dims.size());
  std::size_t rest = index;
  for (std::size_t i = dims.size(); i-- > 0;) {
    if (dims[i] == 0) return fmt::format("element {}", index);
    coordinates[i] = rest % dims[i];
    rest /= dims[i];
  }
  return fmt::format("element [{}]", fmt::join(coordinates, ", "));
}

std::vector<double> softmax(std::span<const float> logits) {
  std::vector<double> out(logits.begin(), logits.end());
  if (out.empty()) return out;
  const double max = *std::max_element(out.begin(), out.end());
  double sum = 0.0;
  for (double& x : out) {
    x = std::exp(x - max);
    sum += x;
  }
  for (double& x : out)
    x /= sum;
  return out;
}

}  // namespace llorch::checkpoint
