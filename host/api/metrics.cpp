#include "api/metrics.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iterator>
#include <numeric>

namespace llorch::api {
namespace {

std::string escape(std::string_view text, bool quotes) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
  return out;
}

// {a="x",b="y"} or nothing; `le` is the bucket's bound in histograms.
std::string label_text(const Labels& labels, std::string_view le = {}) {
  std::string out;
  const auto append = [&](std::string_view name, std::string_view value) {
    out += out.empty() ? '{' : ',';
    fmt::format_to(std::back_inserter(out), "{}=\"{}\"", name, escape(value, true));
  };
  for (const auto& [name, value] : labels)
    append(name, value);
  if (!le.empty()) append("le", le);
  if (!out.empty()) out += '}';
  return out;
}

}  // namespace

Histogram::Histogram(std::vector<double> upper_bounds)
    : upper_bounds_(std::move(upper_bounds)), counts_(upper_bounds_.size()) {}

void Histogram::observe(double value) {
  const auto at = std::lower_bound(upper_bounds_.begin(), upper_bounds_.end(), value);
  if (at != upper_bounds_.end()) ++counts_[static_cast<std::size_t>(at - upper_bounds_.begin())];
  ++count_;
  sum_ += value;
}

std::uint64_t Histogram::cumulative(std::size_t i) const {
  return std::accumulate(counts_.begin(), counts_.begin() + static_cast<std::ptrdiff_t>(i) + 1, std::uint64_t{0});
}

Registry::Series& Registry::add(std::string_view type, std::string_view name, std::string_view help, Labels labels,
                                std::vector<double> upper_bounds) {
  auto family = std::find_if(families_.begin(), families_.end(), [&](const Family& f) { return f.name == name; });
  if (family == families_.end()) {
    families_.push_back({std::string(name), std::string(help), std::string(type), {}});
    family = std::prev(families_.end());
  }
  family->series.push_back({std::move(labels), Number(), Histogram(std::move(upper_bounds))});
  return family->series.back();
}

Number& Registry::counter(std::string_view name, std::string_view help, Labels labels) {
  return add("counter", name, help, std::move(labels), {}).number;
}

Number& Registry::gauge(std::string_view name, std::string_view help, Labels labels) {
  return add("gauge", name, help, std::move(labels), {}).number;
}

Histogram& Registry::histogram(std::string_view name, std::string_view help, std::vector<double> upper_bounds,
                               Labels labels) {
  return add("histogram", name, help, std::move(labels), std::move(upper_bounds)).histogram;
}

std::string Registry::expose() const {
  std::string out;
  const auto line = [&](std::string_view name, std::string_view suffix, const std::string& labels, auto value) {
    fmt::format_to(std::back_inserter(out), "{}{}{} {}\n", name, suffix, labels, value);
  };
  for (const Family& family : families_) {
    fmt::format_to(std::back_inserter(out), "# HELP {} {}\n# TYPE {} {}\n", family.name, escape(family.help, false),
                   family.name, family.type);
    for (const Series& series : family.series) {
      if (family.type != "histogram") {
        line(family.name, "", label_text(series.labels), series.number.value());
        continue;
      }
      const Histogram& histogram = series.histogram;
      for (std::size_t i = 0; i < histogram.upper_bounds().size(); ++i) {
        line(family.name, "_bucket", label_text(series.labels, fmt::format("{}", histogram.upper_bounds()[i])),
             histogram.cumulative(i));
      }
      line(family.name, "_bucket", label_text(series.labels, "+Inf"), histogram.count());
      line(family.name, "_sum", label_text(series.labels), histogram.sum());
      line(family.name, "_count", label_text(series.labels), histogram.count());
    }
  }
  return out;
}

}  // namespace llorch::api
