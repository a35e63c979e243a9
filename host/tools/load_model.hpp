// From a configured path to a model that can run: file, tokenizer, plugin, weights.
#pragma once

#include <memory>
#include <string>

#include "base/result.hpp"
#include "config/config.hpp"
#include "engine/engine.hpp"
#include "model_file/model_file.hpp"
#include "plugin/plugin.hpp"
#include "tokenizer/tokenizer.hpp"

namespace llorch::tools {

/// Keep it as long as anything made from it: the plugin may read from the file's mapping.
struct LoadedModel {
  std::shared_ptr<const model_file::ModelFile> file;
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer;
  std::shared_ptr<plugin::Plugin> plugin;
  std::shared_ptr<plugin::Model> model;
};

/// The configured plugin, or the first installed one (by name) that can run the file; then the error lists why each one
/// refused. A configured plugin that cannot run the file is an error that carries its reason.
[[nodiscard]] Result<std::shared_ptr<plugin::Plugin>> choose_plugin(const config::Config& config,
                                                                    const model_file::ModelFile& file);

/// Plugin::create_model(), whose errors name no file: these do.
[[nodiscard]] Result<std::shared_ptr<plugin::Model>> create_model(plugin::Plugin& plugin,
                                                                  const model_file::ModelFile& file);

/// Everything up to the weights. kInvalidArgument when no model is configured.
[[nodiscard]] Result<LoadedModel> load_model(const config::Config& config);

/// An engine on the model, with context, slots, queue, batch, threads and KV types as configured. The engine keeps the
/// file alive.
[[nodiscard]] Result<std::shared_ptr<engine::Engine>> create_engine(const LoadedModel& loaded,
                                                                    const config::Config& config);

/// Name under which the model is served: as configured, else that of its file without .gguf or of its directory.
[[nodiscard]] std::string model_name(const config::Config& config);

}  // namespace llorch::tools
