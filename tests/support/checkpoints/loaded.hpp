// The models of a plugin's tested_models.hpp, loaded. Included by that file alone, at its end.
#pragma once

#include "support/checkpoints/checkpoints.hpp"

namespace llorch::testing::checkpoints {

/// Loaded on first use, then kept.
inline ModelUnderTest& loaded(const TestedModel& model) {
  static std::map<std::string, std::unique_ptr<ModelUnderTest>> models;
  auto& slot = models[model.name];
  if (!slot) slot = std::make_unique<ModelUnderTest>(plugin_name, model.path, model.reference);
  return *slot;
}

/// Positions that a row of the model sees, its own included; 0: all up to its own.
inline std::uint64_t window_of(const ModelUnderTest& model) {
  return take(model.file().metadata().optional_u64(architecture + ".attention.sliding_window")).value_or(0);
}

}  // namespace llorch::testing::checkpoints
