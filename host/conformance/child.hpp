// Runs a check in a child process, so that a crash or a hang of the plugin is a failed rule and not the end of the kit.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

namespace llorch::conformance {

enum class Verdict : std::uint8_t { kPassed, kFailed, kSkipped };

struct Outcome {
  Verdict verdict = Verdict::kFailed;
  std::string detail;  ///< why it failed or was skipped; of a rule that holds, what was measured, or nothing
};

/// Forks, calls `check` in the child and waits. `check` returns its note or throws: Broken is kFailed, NotApplicable
/// kSkipped, anything else kFailed. A child that dies or that takes longer than `limit` (it is killed then) is kFailed,
/// with the signal and the end of what it wrote to standard error. The caller must be the only thread of its process.
[[nodiscard]] Outcome run_in_child(const std::function<std::string()>& check, std::chrono::milliseconds limit);

}  // namespace llorch::conformance
