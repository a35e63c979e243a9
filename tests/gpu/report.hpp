// What was checked and what came out, as lines while it runs and as JSON at the end.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace llorch::gpu_check {

class Report {
 public:
  using AfterCase = std::function<void(const Report&)>;
  Report() = default;
  /// `after` is called after each case.
  explicit Report(AfterCase after) : after_(std::move(after)) {}

  /// Runs one case. It returns what it found ("max error 3e-4"); what it throws is a failure, Skip a skipped case.
  void run(const std::string& suite, const std::string& name, const std::function<std::string()>& body);
  struct Skip {
    std::string reason;
  };

  /// Nothing failed, and there was something to run.
  [[nodiscard]] bool passed() const { return failed_ == 0 && !lines_.empty(); }
  [[nodiscard]] std::string summary() const;  ///< "30 passed, 0 failed, 2 skipped"
  [[nodiscard]] std::string json() const;     ///< an array, one object a case

 private:
  struct Line {
    std::string suite, name, result, detail;
    double seconds;
  };
  AfterCase after_;
  std::vector<Line> lines_;
  int failed_ = 0;
};

/// Throws std::runtime_error with `message` unless `holds`.
void require(bool holds, const std::string& message);

/// "1.234e-05"
std::string number(double v);

}  // namespace llorch::gpu_check
