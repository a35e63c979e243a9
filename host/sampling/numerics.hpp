// exp, log and sums that give the same bits on every machine: IEEE-754 additions, multiplications and divisions in a
// written-down order, compiled without contraction. libm's exp and log differ in the last bit between versions.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

namespace llorch::sampling {

/// exp(x) for x <= 0, relative error below 4e-16; exactly 0 below -700 and for -inf. exp(0) is exactly 1.
/// x = k ln 2 + r with |r| <= ln 2 / 2, then the Taylor polynomial of degree 13 (its remainder is under 5e-18).
[[nodiscard]] inline double exp_nonpositive(double x) {
  constexpr double kLog2E = 1.44269504088896338700;
  constexpr double kLn2High = 6.93147180369123816490e-01;  // 32 significant bits: k * kLn2High is exact
  constexpr double kLn2Low = 1.90821492927058770002e-10;
  constexpr double kRound = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to an integer held in the low bits
  const double clamped = x > -700.0 ? x : -700.0;
  const double shifted = clamped * kLog2E + kRound;
  const double k = shifted - kRound;
  const double r = (clamped - k * kLn2High) - k * kLn2Low;
  double p = 1.0 / 6227020800.0;
  p = p * r + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;
  const std::uint64_t exponent = std::bit_cast<std::uint64_t>(shifted) + 1023;  // low 12 bits: k, biased
  const double scale = std::bit_cast<double>(exponent << 52);
  return x > -700.0 ? p * scale : 0.0;
}

/// ln(x) for finite normal x > 0, relative error below 1e-15. x = 2^e m, m in [sqrt 1/2, sqrt 2);
/// ln m = 2 (s + s^3/3 + s^5/5 + ...), s = (m - 1) / (m + 1).
[[nodiscard]] inline double log_positive(double x) {
  constexpr double kLn2High = 6.93147180369123816490e-01;
  constexpr double kLn2Low = 1.90821492927058770002e-10;
  constexpr double kSqrt2 = 1.41421356237309504880;
  int e = 0;
  double m = 2.0 * std::frexp(x, &e);  // exact by definition
  --e;
  if (m >= kSqrt2) {
    m *= 0.5;
    ++e;
  }
  const double s = (m - 1.0) / (m + 1.0);
  const double z = s * s;
  double p = 0.0;
  for (int n = 23; n >= 1; n -= 2) {
    p = p * z + 1.0 / n;
  }
  return e * kLn2High + (2.0 * s * p + e * kLn2Low);
}

/// Sum in one fixed order: four running sums over the elements 4i, 4i+1, 4i+2, 4i+3 of each block of kSumBlock, joined
/// as (s0 + s1) + (s2 + s3), blocks added from first to last.
inline constexpr std::size_t kSumBlock = 256;
[[nodiscard]] inline double block_sum(std::span<const double> block) {
  double s[4] = {0, 0, 0, 0};
  std::size_t i = 0;
  for (; i + 4 <= block.size(); i += 4) {
    for (std::size_t j = 0; j < 4; ++j) {
      s[j] += block[i + j];
    }
  }
  for (std::size_t j = 0; i < block.size(); ++i, ++j) {
    s[j] += block[i];
  }
  return (s[0] + s[1]) + (s[2] + s[3]);
}
[[nodiscard]] inline double ordered_sum(std::span<const double> values) {
  double sum = 0;
  for (std::size_t i = 0; i < values.size(); i += kSumBlock) {
    sum += block_sum(values.subspan(i, std::min(kSumBlock, values.size() - i)));
  }
  return sum;
}

}  // namespace llorch::sampling
