// A small registry in the text format that Prometheus scrapes (version 0.0.4). Debian packages no C++ client, and the
// format is a page: counters, gauges, histograms with labels.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace llorch::api {

using Labels = std::vector<std::pair<std::string, std::string>>;

/// A number that is set or added to: a counter (never falls) or a gauge.
class Number {
 public:
  void add(double amount = 1) { value_ += amount; }
  void set(double value) { value_ = value; }
  [[nodiscard]] double value() const { return value_; }

 private:
  double value_ = 0;
};

/// Counts of observations in cumulative buckets, with their sum.
class Histogram {
 public:
  explicit Histogram(std::vector<double> upper_bounds);
  void observe(double value);
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] double sum() const { return sum_; }
  [[nodiscard]] const std::vector<double>& upper_bounds() const { return upper_bounds_; }
  /// Observations <= upper_bounds()[i].
  [[nodiscard]] std::uint64_t cumulative(std::size_t i) const;

 private:
  std::vector<double> upper_bounds_;  // ascending
  std::vector<std::uint64_t> counts_;
  std::uint64_t count_ = 0;
  double sum_ = 0;
};

/// Families in the order of their registration. One thread at a time (here: the I/O thread). References stay valid as
/// long as the registry.
class Registry {
 public:
  Number& counter(std::string_view name, std::string_view help, Labels labels = {});
  Number& gauge(std::string_view name, std::string_view help, Labels labels = {});
  Histogram& histogram(std::string_view name, std::string_view help, std::vector<double> upper_bounds,
                       Labels labels = {});
  [[nodiscard]] std::string expose() const;

 private:
  struct Series {
    Labels labels;
    Number number;
    Histogram histogram;
  };
  struct Family {
    std::string name, help, type;
    std::deque<Series> series;
  };
  Series& add(std::string_view type, std::string_view name, std::string_view help, Labels labels,
              std::vector<double> upper_bounds);

  std::deque<Family> families_;
};

}  // namespace llorch::api
