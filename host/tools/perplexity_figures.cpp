#include "tools/perplexity_figures.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace llorch::tools {

void Moments::add(double x, double y) {
  ++count_;
  const double n = static_cast<double>(count_);
  const double dx = x - mean_x_;
  const double dy = y - mean_y_;
  mean_x_ += dx / n;
  mean_y_ += dy / n;
  xx_ += dx * (x - mean_x_);
  yy_ += dy * (y - mean_y_);
  xy_ += dx * (y - mean_y_);
}

double Moments::of_means(double sum) const {
  const double n = static_cast<double>(count_);
  return count_ > 1 ? sum / n / (n - 1) : 0;
}

double Moments::standard_error() const {
  return std::sqrt(variance());
}

void PerplexityFigures::add(std::span<const float> log_probs, std::int32_t next) {
  nll_.add(-double{log_probs[static_cast<std::size_t>(next)]});
}

void PerplexityFigures::add(std::span<const float> log_probs, std::span<const float> base, std::int32_t next) {
  const auto id = static_cast<std::size_t>(next);
  nll_.add(-double{log_probs[id]}, -double{base[id]});
  double kl = 0;
  for (std::size_t i = 0; i < base.size(); ++i) {
    if (base[i] == -std::numeric_limits<float>::infinity()) continue;  // p ln p tends to 0
    kl += std::exp(double{base[i]}) * (double{base[i]} - double{log_probs[i]});
  }
  kl_.add(kl);
  largest_kl_ = std::max(largest_kl_, kl);
  const auto top = [](std::span<const float> values) {
    return std::max_element(values.begin(), values.end()) - values.begin();
  };
  same_top_.add(top(log_probs) == top(base) ? 1 : 0);
}

Estimate PerplexityFigures::nll() const {
  return {nll_.mean(), nll_.standard_error()};
}

Estimate PerplexityFigures::perplexity() const {
  const double value = std::exp(nll_.mean());
  return {value, value * nll_.standard_error()};
}

Estimate PerplexityFigures::base_perplexity() const {
  const double value = std::exp(nll_.mean_y());
  return {value, value * std::sqrt(nll_.variance_y())};
}

Estimate PerplexityFigures::difference() const {
  const double here = std::exp(nll_.mean());
  const double there = std::exp(nll_.mean_y());
  const double variance =
      here * here * nll_.variance() + there * there * nll_.variance_y() - 2 * here * there * nll_.covariance();
  return {here - there, std::sqrt(std::max(variance, 0.0))};
}

Estimate PerplexityFigures::kl() const {
  return {kl_.mean(), kl_.standard_error()};
}

Estimate PerplexityFigures::same_top() const {
  return {same_top_.mean(), same_top_.standard_error()};
}

}  // namespace llorch::tools
