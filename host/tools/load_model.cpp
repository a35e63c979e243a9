#include "tools/load_model.hpp"

#include "base/text.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <filesystem>
#include <utility>

#include "tools/kv_type.hpp"

namespace llorch::tools {
Result<std::shared_ptr<plugin::Plugin>> choose_plugin(const config::Config& config, const model_file::ModelFile& file) {
  auto chosen = plugin::choose_plugin(config.plugin, config.plugin_dir, file.source());
  if (chosen.has_error()) {
    return make_error(chosen.error().code, fmt::format("{}: {}", file.path().string(), chosen.error().message));
  }
  if (const auto device = (*chosen)->use_device(config.device); !device) return device.error();
  if (config.plugin.empty()) {
    spdlog::info("plugin {} chosen for {}: the first installed one that can run it", (*chosen)->info().id,
                 file.path().string());
  }
  return chosen;
}

Result<std::shared_ptr<plugin::Model>> create_model(plugin::Plugin& plugin, const model_file::ModelFile& file) {
  auto model = plugin.create_model(file.source());
  if (!model) {
    return make_error(model.error().code, fmt::format("{}: {}", file.path().string(), model.error().message));
  }
  return model;
}

Result<LoadedModel> load_model(const config::Config& config) {
  if (config.model.empty()) {
    return make_error(ErrorCode::kInvalidArgument,
                      "no model given: use --model FILE, MODEL_PATH or the key \"model\" of a config file");
  }
  LoadedModel loaded;
  Result<std::unique_ptr<model_file::ModelFile>> file = model_file::ModelFile::open(config.model);
  if (file.has_error()) return file.error();
  loaded.file = std::move(file.value());
  Result<std::unique_ptr<tokenizer::Tokenizer>> tokenizer = tokenizer::load_tokenizer(*loaded.file);
  if (tokenizer.has_error()) return tokenizer.error();
  loaded.tokenizer = std::move(tokenizer.value());
  Result<std::shared_ptr<plugin::Plugin>> plugin = choose_plugin(config, *loaded.file);
  if (plugin.has_error()) return plugin.error();
  loaded.plugin = std::move(plugin.value());
  Result<std::shared_ptr<plugin::Model>> model = create_model(*loaded.plugin, *loaded.file);
  if (model.has_error()) return model.error();
  loaded.model = std::move(model.value());
  return loaded;
}

Result<std::shared_ptr<engine::Engine>> create_engine(const LoadedModel& loaded, const config::Config& config) {
  engine::Options options;
  options.slots = config.slots;
  options.queue_limit = config.queue;
  options.context_length = config.context;
  options.batch_tokens = config.batch;
  options.threads = config.threads;
  const KvTypeNames kv = kv_type_names(config);
  options.kv_dtype_k = kv_types(kv).k;
  options.kv_dtype_v = kv_types(kv).v;
  Result<std::unique_ptr<engine::Engine>> engine = engine::Engine::create(loaded.model, loaded.tokenizer, options);
  if (engine.has_error()) return explain_refusal(engine.error(), kv);
  return std::shared_ptr<engine::Engine>(engine.value().release(), [loaded](const engine::Engine* raw) { delete raw; });
}

std::string model_name(const config::Config& config) {
  if (!config.model_name.empty()) return config.model_name;
  std::error_code ignored;
  std::filesystem::path path = std::filesystem::weakly_canonical(config.model, ignored);
  if (path.empty()) path = config.model;
  if (path.extension() == ".gguf" || path.extension() == ".safetensors") path = path.stem();
  // It goes into JSON and metrics, where a file name of other bytes has no place.
  return valid_utf8(path.filename().empty() ? path.parent_path().filename().string() : path.filename().string());
}

}  // namespace llorch::tools
