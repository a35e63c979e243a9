#include "report.hpp"

#include <chrono>
#include <cstdio>
#include <stdexcept>

#include "json.hpp"

namespace llorch::gpu_check {

void Report::run(const std::string& suite, const std::string& name, const std::function<std::string()>& body) {
  const auto begin = std::chrono::steady_clock::now();
  Line line{suite, name, "passed", "", 0};
  try {
    line.detail = body();
  } catch (const Skip& skip) {
    line.result = "skipped";
    line.detail = skip.reason;
  } catch (const std::exception& failure) {
    line.result = "FAILED";
    line.detail = failure.what();
    ++failed_;
  }
  line.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::printf("%-8s %-12s %-48s %s\n", line.result.c_str(), suite.c_str(), name.c_str(), line.detail.c_str());
  std::fflush(stdout);
  lines_.push_back(std::move(line));
  if (after_) after_(*this);
}

std::string Report::summary() const {
  int skipped = 0;
  for (const Line& line : lines_)
    skipped += line.result == "skipped" ? 1 : 0;
  const int passed = static_cast<int>(lines_.size()) - failed_ - skipped;
  return std::to_string(passed) + " passed, " + std::to_string(failed_) + " failed, " + std::to_string(skipped) +
         " skipped";
}

std::string Report::json() const {
  std::string out = "[";
  for (const Line& line : lines_) {
    out += (out.size() > 1 ? ",\n " : "\n ") + std::string("{\"suite\":") + json_text(line.suite) +
           ",\"case\":" + json_text(line.name) + ",\"result\":" + json_text(line.result) +
           ",\"detail\":" + json_text(line.detail) + ",\"seconds\":" + number(line.seconds) + "}";
  }
  return out + "\n]";
}

void require(bool holds, const std::string& message) {
  if (!holds) throw std::runtime_error(message);
}

std::string number(double v) {
  char out[32];
  std::snprintf(out, sizeof out, "%.4g", v);
  return out;
}

}  // namespace llorch::gpu_check
