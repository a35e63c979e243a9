// The figures of `llorch-host perplexity`: means with their standard errors, gathered position by position.
#pragma once

#include <cstdint>
#include <span>

namespace llorch::tools {

/// Running mean and covariance (Welford's recurrences, in double).
class Moments {
 public:
  void add(double x, double y = 0);
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] double mean() const { return mean_x_; }
  [[nodiscard]] double mean_y() const { return mean_y_; }
  /// Of the means, not of one value: sum of squared differences / n / (n - 1); 0 below two values.
  [[nodiscard]] double variance() const { return of_means(xx_); }
  [[nodiscard]] double variance_y() const { return of_means(yy_); }
  [[nodiscard]] double covariance() const { return of_means(xy_); }
  [[nodiscard]] double standard_error() const;

 private:
  [[nodiscard]] double of_means(double sum) const;
  std::uint64_t count_ = 0;
  double mean_x_ = 0, mean_y_ = 0, xx_ = 0, yy_ = 0, xy_ = 0;
};

/// A value and its standard error.
struct Estimate {
  double value = 0, error = 0;
};

class PerplexityFigures {
 public:
  /// `log_probs`: of this run, `next`: the id that follows.
  void add(std::span<const float> log_probs, std::int32_t next);
  /// The same, and what the run it is compared with gave at this position.
  void add(std::span<const float> log_probs, std::span<const float> base, std::int32_t next);

  [[nodiscard]] std::uint64_t scored() const { return nll_.count(); }
  [[nodiscard]] Estimate nll() const;         ///< nats a token
  [[nodiscard]] Estimate perplexity() const;  ///< exp of it; error by the first-order rule
  [[nodiscard]] Estimate base_perplexity() const;
  /// This run's less the other's; the error knows that both scored the same tokens.
  [[nodiscard]] Estimate difference() const;
  [[nodiscard]] Estimate kl() const;  ///< mean of sum of p ln(p / q) in nats, p the other run's, q this one's
  [[nodiscard]] double largest_kl() const { return largest_kl_; }
  [[nodiscard]] Estimate same_top() const;  ///< share of positions where both prefer the same id (ties: the lowest)

 private:
  Moments nll_, kl_, same_top_;  // nll_: x of this run, y of the other
  double largest_kl_ = 0;
};

}  // namespace llorch::tools
