// The models of a plugin's tested_models.hpp, loaded. Included by that file alone, at its end.
#pragma once

#include <utility>

#include "support/checkpoints/checkpoints.hpp"

namespace llorch::testing::checkpoints {

/// Loaded on first use, then kept.
inline ModelUnderTest& loaded(const TestedModel& model) {
  static std::map<std::string, std::unique_ptr<ModelUnderTest>> models;
  auto& slot = models[model.name + model.kv.suffix];
  if (!slot) slot = std::make_unique<ModelUnderTest>(plugin_name, model.path, model.reference, model.kv);
  return *slot;
}

/// The tested models with caches of other types than f32, each type on either side; without those in quantized types,
/// whose caches hold the same kind of numbers.
inline std::vector<TestedModel> narrow_models() {
  std::vector<TestedModel> all;
  for (const TestedModel& model : cache_models()) {
    if (model.tolerances.rounds_activations()) continue;
    all.push_back(model);
    all.back().kv = {LLORCH_DTYPE_F16, LLORCH_DTYPE_Q8_0, ", keys f16, values q8_0"};
    all.push_back(model);
    all.back().kv = {LLORCH_DTYPE_Q8_0, LLORCH_DTYPE_F16, ", keys q8_0, values f16"};
  }
  return all;
}
inline auto narrow_caches() {
  return boost::unit_test::data::make(narrow_models());
}
/// For what is exact whatever the cache rounds to.
inline auto all_caches() {
  std::vector<TestedModel> all = cache_models();
  const std::vector<TestedModel> narrow = narrow_models();
  all.insert(all.end(), narrow.begin(), narrow.end());
  return boost::unit_test::data::make(std::move(all));  // of an lvalue it would keep a reference
}

/// Positions that a row of the model sees, its own included; 0: all up to its own.
inline std::uint64_t window_of(const ModelUnderTest& model) {
  return take(model.file().metadata().optional_u64(architecture + ".attention.sliding_window")).value_or(0);
}

}  // namespace llorch::testing::checkpoints
