// The conformance kit: asks every rule of docs/conformance.md of one plugin, each in a process of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "conformance/child.hpp"
#include "conformance/rule.hpp"

namespace llorch::conformance {

struct Options {
  std::filesystem::path plugin;
  std::filesystem::path model;              ///< empty: a small one of a family that the kit and the plugin know
  std::vector<std::string> only;            ///< ids; empty: all rules. Rules that others rest on are asked all the same
  std::chrono::milliseconds limit{120000};  ///< for each rule
  std::uint32_t kv_dtype_k = 0, kv_dtype_v = 0;  ///< LLORCH_DTYPE_* of the rules' contexts; 0: the plugin's own
};

struct RuleResult {
  Rule rule;
  Verdict verdict = Verdict::kSkipped;
  std::string detail;
  double seconds = 0;
};

struct Report {
  std::filesystem::path plugin;
  std::string model;  ///< what the model rules were asked about, or why there is none
  std::vector<RuleResult> results;
  [[nodiscard]] std::size_t count(Verdict verdict) const;
  [[nodiscard]] bool conforms() const { return count(Verdict::kFailed) == 0; }
};

/// An error (kInvalidArgument) that names the first of `ids` that is no rule.
[[nodiscard]] Result<void> check_ids(const std::vector<std::string>& ids);

/// The caller must be the only thread of its process: each rule forks. An error means that nothing could be asked: the
/// file is no shared object of this machine, the model cannot be read, an id is unknown, the plugin lacks the types of
/// the cache.
[[nodiscard]] Result<Report> validate(const Options& options);

}  // namespace llorch::conformance
