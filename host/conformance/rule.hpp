// One rule of the conformance kit: an id, what it proves, and a check that throws when the plugin breaks it.
#pragma once

#include <spdlog/fmt/fmt.h>

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace llorch::conformance {

class Subject;

/// Thrown by a check: the plugin breaks the rule. Caught in run_in_child(), nowhere else.
class Broken : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
/// Thrown by a check: the rule says nothing about this plugin or model; the text says why.
class NotApplicable : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

template <class... Args>
[[noreturn]] void broken(fmt::format_string<Args...> text, Args&&... args) {
  throw Broken(fmt::format(text, std::forward<Args>(args)...));
}
template <class... Args>
void require(bool holds, fmt::format_string<Args...> text, Args&&... args) {
  if (!holds) throw Broken(fmt::format(text, std::forward<Args>(args)...));
}

/// What must work before a rule can be asked.
enum class Stage : std::uint8_t {
  kFile,    ///< nothing: the file is read, not loaded
  kLoaded,  ///< the object loads and has both symbols
  kOpened,  ///< llorch_plugin_open gives a whole table
  kModel,   ///< there is a model to ask about
  kProbed,  ///< model_probe accepts it
  kRunning  ///< one forward pass works
};

struct Rule {
  const char* id;      ///< "K-07": stable, never reused
  const char* title;   ///< what holds, as a sentence
  const char* proves;  ///< why it matters, as a sentence
  Stage needs;
  void (*check)(Subject&);
  Stage opens = Stage::kFile;  ///< when it fails, the rules that need this stage are skipped; kFile: none
  [[nodiscard]] bool needs_model() const { return needs >= Stage::kModel; }
};

/// The parts of the table, in the order of their ids.
[[nodiscard]] std::span<const Rule> library_rules();   ///< rules_library.cpp: file, query, open
[[nodiscard]] std::span<const Rule> struct_rules();    ///< rules_structs.cpp: structs that grow
[[nodiscard]] std::span<const Rule> source_rules();    ///< rules_source.cpp: models with faults
[[nodiscard]] std::span<const Rule> limit_rules();     ///< rules_limits.cpp: limits, unknown input, refusals
[[nodiscard]] std::span<const Rule> cache_rules();     ///< rules_cache.cpp: what the kv functions do
[[nodiscard]] std::span<const Rule> state_rules();     ///< rules_state.cpp: saved states
[[nodiscard]] std::span<const Rule> compute_rules();   ///< rules_compute.cpp: same work, same numbers
[[nodiscard]] std::span<const Rule> resource_rules();  ///< rules_resources.cpp: memory, cycles, threads

/// Every rule, in the order in which they are asked.
[[nodiscard]] const std::vector<Rule>& all_rules();

}  // namespace llorch::conformance
