// What the check asks of a plugin. Each function adds its cases to the report.
#pragma once

#include <filesystem>

#include "plugin.hpp"
#include "report.hpp"

namespace llorch::gpu_check {

struct Subject {
  const Plugin& plugin;
  const Plugin* cpu;               ///< llama2_cpu, to compare with; may be null
  std::filesystem::path root;      ///< of the repository: models/ and tests/fixtures/
  bool quick = false;              ///< fewer repetitions, as compute-sanitizer wants
  std::uint32_t rows = 0;          ///< of the prompts of check_types; 0: its own choice
  std::vector<std::string> types;  ///< of weights, for check_types; none: its own choice
};

/// Every tapped tensor, the logits and the greedy ids of the references.
void check_rungs(const Subject& subject, Report& report);
/// The same bytes again, in any chunking, beside any neighbours.
void check_exactness(const Subject& subject, Report& report);
/// Operations on the cache, against recomputing and against llama2_cpu.
void check_cache(const Subject& subject, Report& report);
/// Greedy ids and logits of llama2_cpu, on the trained model and on random ones of every type of weights.
void check_agreement(const Subject& subject, Report& report);
/// Every type of weights in the forms of the kernels that large models take: the same bytes in any chunking, beside any
/// neighbours, and the logits of llama2_cpu.
void check_types(const Subject& subject, Report& report);
/// Create and destroy, a second copy of the plugin, more memory than there is.
void check_life(const Subject& subject, Report& report);

}  // namespace llorch::gpu_check
