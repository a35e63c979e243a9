// Hugging Face directories: config.json, weights in one or more safetensors files.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "base/text.hpp"
#include "model_file/architecture.hpp"
#include "model_file/byte_source.hpp"
#include "model_file/config_reader.hpp"
#include "model_file/formats.hpp"
#include "model_file/ggml_type.hpp"
#include "model_file/safetensors.hpp"
#include "model_file/shards.hpp"
#include "model_file/tied_head.hpp"

namespace llorch::model_file {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::uint64_t kMaxConfigBytes = std::uint64_t{4} << 20;
constexpr std::size_t kMaxConfigValues = 200'000;

bool is_there(const fs::path& path) {
  std::error_code ec;
  return fs::exists(path, ec);
}

/// The weight files of a directory; empty when it has none.
Result<Shards> find_weights(const fs::path& directory) {
  if (const fs::path single = directory / "model.safetensors"; is_there(single)) return Shards{{single}, {}};
  if (const fs::path index = directory / "model.safetensors.index.json"; is_there(index))
    return read_shard_index(index);
  return Shards{};
}

Error no_weights(const fs::path& directory) {
  for (const char* name : {"pytorch_model.bin", "pytorch_model.bin.index.json"}) {
    if (is_there(directory / name)) return pickle_error(directory / name);
  }
  std::error_code ec;
  std::string hint;
  for (fs::directory_iterator entry(directory, ec), end; !ec && entry != end; entry.increment(ec)) {
    if (entry->path().extension() == ".gguf") {
      hint = fmt::format("; for GGUF give the file itself: {}", entry->path().native());
      break;
    }
  }
  return make_error(ErrorCode::kNotFound,
                    fmt::format("{}: neither model.safetensors nor model.safetensors.index.json is there{}",
                                directory.native(), hint));
}

struct StoredModel {
  std::vector<std::shared_ptr<const File>> files;
  std::vector<StoredTensor> tensors;
};

Result<StoredModel> read_stored(const Shards& shards) {
  StoredModel model;
  std::unordered_map<std::string, std::uint32_t> seen;
  for (std::uint32_t number = 0; number < shards.files.size(); ++number) {
    auto file = File::open(shards.files[number]);
    if (!file) return file.error();
    auto bytes = FileBytes::create(*file);
    if (!bytes) return bytes.error();
    auto tensors = parse_safetensors(**bytes);
    if (!tensors) return tensors.error();
    const std::string& origin = (*bytes)->origin();
    for (StoredTensor& tensor : *tensors) {
      tensor.file = number;
      if (const auto [it, fresh] = seen.emplace(tensor.name, number); !fresh) {
        return make_error(ErrorCode::kBadModel, fmt::format("{}: tensor {} is in {} too", origin, quote(tensor.name),
                                                            shards.files[it->second].native()));
      }
      if (!shards.weight_map.empty()) {
        const auto it = shards.weight_map.find(tensor.name);
        if (it == shards.weight_map.end() || it->second != number) {
          return make_error(ErrorCode::kBadModel,
                            fmt::format("{}: tensor {} is not listed for this file in the index's weight_map", origin,
                                        quote(tensor.name)));
        }
      }
      model.tensors.push_back(std::move(tensor));
    }
    model.files.push_back(std::move(*file));
  }
  for (const auto& [name, number] : shards.weight_map) {
    if (!seen.contains(name)) {
      return make_error(ErrorCode::kBadModel, fmt::format("{}: tensor {} is missing, the index's weight_map lists it",
                                                          shards.files[number].native(), quote(name)));
    }
  }
  return model;
}

/// Token ids of the configuration: one, or a list of them; none where it has none.
Result<std::vector<std::uint64_t>> read_token_ids(const json::object& config, const std::string& origin,
                                                  const char* key) {
  std::vector<std::uint64_t> ids;
  const json::value* value = config.if_contains(key);
  if (value == nullptr || value->is_null()) return ids;
  const auto read = [&](const json::value& entry, const std::string& place) -> Result<void> {
    if (!entry.is_int64() || entry.get_int64() < 0) {
      return ConfigReader(config, origin)
          .bad(place, fmt::format("expected an integer of 0 or more, found {}", found_text(entry)));
    }
    ids.push_back(static_cast<std::uint64_t>(entry.get_int64()));
    return {};
  };
  if (!value->is_array()) {
    if (auto ok = read(*value, key); !ok) return ok.error();
    return ids;
  }
  for (const json::value& entry : value->get_array()) {
    if (auto ok = read(entry, fmt::format("{}[{}]", key, ids.size())); !ok) return ok.error();
  }
  return ids;
}

using TokenIds = std::shared_ptr<const std::vector<std::uint64_t>>;

/// Token ids of the configuration under GGUF's keys: the first of a list, and all entries of the list that says what
/// ends a text under a key of this project's own. The metadata point into the result.
Result<TokenIds> add_token_ids(const json::object& config, const std::string& origin, Metadata& metadata) {
  auto bos = read_token_ids(config, origin, "bos_token_id");
  if (!bos) return bos.error();
  if (!bos->empty()) metadata.insert("tokenizer.ggml.bos_token_id", bos->front());
  auto eos = read_token_ids(config, origin, "eos_token_id");
  if (!eos) return eos.error();
  const auto ends = std::make_shared<const std::vector<std::uint64_t>>(std::move(*eos));
  if (!ends->empty()) metadata.insert("tokenizer.ggml.eos_token_id", ends->front());
  if (ends->size() < 2) return ends;
  metadata.insert("tokenizer.ggml.eos_token_ids", Array{.type = ElementType::kU64,
                                                        .count = ends->size(),
                                                        .data = reinterpret_cast<const std::byte*>(ends->data()),
                                                        .strings = nullptr});
  return ends;
}

/// An architecture the host has no table for: what is scalar in the configuration, as it is.
ConvertedConfig plain_config(const json::object& config, std::string_view model_type, const std::string& origin) {
  ConvertedConfig out{Metadata(origin), {}, {}, true};
  const auto keep = [&](std::string_view text) { return std::string_view(out.strings.emplace_back(text)); };
  out.metadata.insert("general.architecture", keep(model_type));
  for (const auto& member : config) {
    const std::string key = fmt::format("huggingface.{}", std::string_view(member.key()));
    const json::value& value = member.value();
    if (value.is_bool()) out.metadata.insert(key, value.get_bool());
    if (value.is_int64()) out.metadata.insert(key, value.get_int64());
    if (value.is_uint64()) out.metadata.insert(key, value.get_uint64());
    if (value.is_double()) out.metadata.insert(key, value.get_double());
    if (value.is_string()) out.metadata.insert(key, keep(std::string_view(value.get_string())));
  }
  return out;
}

struct Configuration {
  const Architecture* architecture = nullptr;  ///< null when not known here
  std::string name;
  std::unique_ptr<ConvertedConfig> converted;
  TokenIds ends;
};

Result<Configuration> read_configuration(const fs::path& path) {
  const auto text = read_text_file(path, kMaxConfigBytes);
  if (!text) return text.error();
  const std::string& origin = path.native();
  JsonLimits limits;
  limits.max_values = kMaxConfigValues;
  const auto parsed = parse_json(*text, limits);
  if (!parsed) return make_error(ErrorCode::kBadModel, fmt::format("{}: {}", origin, parsed.error().message));
  const json::object* object = parsed->if_object();
  if (object == nullptr)
    return make_error(ErrorCode::kBadModel,
                      fmt::format("{}: expected a JSON object, found {}", origin, found_text(*parsed)));
  const auto model_type = ConfigReader(*object, origin).string("model_type");
  if (!model_type) return model_type.error();

  Configuration out;
  out.architecture = find_architecture_by_hugging_face_type(*model_type);
  out.name = out.architecture != nullptr ? out.architecture->name : *model_type;
  auto converted = out.architecture != nullptr ? out.architecture->convert_config(*object, origin)
                                               : Result<ConvertedConfig>(plain_config(*object, *model_type, origin));
  if (!converted) return converted.error();
  Metadata& metadata = converted->metadata;
  auto ends = add_token_ids(*object, origin, metadata);
  if (!ends) return ends.error();
  out.ends = std::move(*ends);
  out.converted = std::make_unique<ConvertedConfig>(std::move(*converted));
  return out;
}

/// `head_size` matters for tensors whose rows lie in another order within each head.
Result<void> add_tensor(Parts& parts, const StoredTensor& stored, Binding binding, std::uint64_t head_size) {
  if (stored.ggml_type == kNoGgmlType) {
    return make_error(ErrorCode::kUnsupported,
                      fmt::format("{}: tensor {}: dtype {} is not supported", parts.files[stored.file]->path().native(),
                                  quote(stored.name), stored.type_name));
  }
  std::string source_name = binding.name == stored.name ? std::string() : stored.name;
  parts.tensors.push_back(
      {std::move(binding.name), stored.ggml_type, std::move(binding.dims), stored.nbytes, std::move(source_name)});
  parts.locations.push_back({stored.file, stored.offset, binding.arrangement, head_size, nullptr});
  return {};
}

/// A tied model may store its head: as the embedding once more, which was not bound.
Result<void> check_no_other_head(const Parts& parts, const Architecture& architecture,
                                 const std::vector<StoredTensor>& stored, const std::vector<Binding>& bindings) {
  const auto embedding = std::ranges::find(bindings, "token_embd.weight", &Binding::name);
  if (embedding == bindings.end()) return {};
  for (const StoredTensor& tensor : stored) {
    std::string_view name = tensor.name;
    if (name.starts_with(architecture.hugging_face_prefix)) name.remove_prefix(architecture.hugging_face_prefix.size());
    if (name != "lm_head.weight") continue;
    if (auto same = check_tied_head(parts.files, tensor, stored[embedding->stored]); !same) return same;
  }
  return {};
}

Result<void> add_tensors(Parts& parts, const Configuration& config, std::vector<StoredTensor> stored) {
  const std::string& origin = parts.path.native();
  std::vector<Binding> bindings;
  std::uint64_t head_size = 0;
  if (config.architecture != nullptr) {
    const auto hyperparameters = read_hyperparameters(*config.architecture, parts.metadata, origin);
    if (!hyperparameters) return hyperparameters.error();
    auto bound = bind_tensors(*config.architecture, *hyperparameters, stored, Naming::kHuggingFace,
                              config.converted->tied_head, origin);
    if (!bound) return bound.error();
    bindings = std::move(*bound);
    head_size = hyperparameters->head_size;
    if (config.converted->tied_head) {
      if (auto tied = check_no_other_head(parts, *config.architecture, stored, bindings); !tied) return tied.error();
    }
  } else {
    for (std::size_t i = 0; i < stored.size(); ++i) {
      bindings.push_back({stored[i].name, i, stored[i].dims, Arrangement::kCanonical});
    }
  }
  for (Binding& binding : bindings) {
    const StoredTensor& tensor = stored[binding.stored];
    if (auto added = add_tensor(parts, tensor, std::move(binding), head_size); !added) return added.error();
  }
  if (config.converted == nullptr) return {};
  for (const MadeTensor& made : config.converted->tensors) {  // which lives as long as the model
    const std::uint64_t bytes = made.values.size() * sizeof(float);
    parts.tensors.push_back({std::string(made.name), kGgmlF32, {made.values.size()}, bytes, "config.json"});
    parts.locations.push_back(
        {0, 0, Arrangement::kCanonical, 0, reinterpret_cast<const std::byte*>(made.values.data())});
  }
  return {};
}

/// Tokenizer files alone, or weights whose architecture nothing tells: structure only.
Result<Parts> read_without_configuration(Parts parts, const Shards& shards) {
  parts.metadata = Metadata(parts.path.native());
  auto stored = read_stored(shards);
  if (!stored) return stored.error();
  parts.files = std::move(stored->files);
  if (auto added = add_tensors(parts, {}, std::move(stored->tensors)); !added) return added.error();
  return parts;
}

}  // namespace

Error pickle_error(const fs::path& file) {
  return make_error(
      ErrorCode::kUnsupported,
      fmt::format("{}: a pickled PyTorch checkpoint can run code and is never opened; convert it to safetensors: "
                  "python3 -c \"from transformers import AutoModelForCausalLM as M; d='{}'; "
                  "M.from_pretrained(d).save_pretrained(d, safe_serialization=True)\"",
                  file.native(), file.has_parent_path() ? file.parent_path().native() : "."));
}

Result<Parts> read_hugging_face_model(const fs::path& path, const OpenOptions& options) {
  std::error_code ec;
  const bool is_directory = fs::is_directory(path, ec);
  Parts parts;
  parts.format = Format::kHuggingFace;
  parts.path = path;
  parts.directory = is_directory ? path : (path.has_parent_path() ? path.parent_path() : fs::path("."));

  auto shards = is_directory                         ? find_weights(path)
                : path.extension() == ".safetensors" ? Result<Shards>(Shards{{path}, {}})
                                                     : read_shard_index(path);
  if (!shards) return shards.error();
  if (shards->files.empty() && !options.vocabulary_only) return no_weights(path);

  const fs::path config_path = parts.directory / "config.json";
  if (options.vocabulary_only && !is_there(config_path)) return read_without_configuration(std::move(parts), *shards);
  auto config = read_configuration(config_path);
  if (!config) return config.error();
  auto stored = read_stored(*shards);
  if (!stored) return stored.error();

  parts.architecture = config->name;
  parts.files = std::move(stored->files);
  parts.metadata = std::move(config->converted->metadata);
  if (!parts.files.empty()) {
    if (auto added = add_tensors(parts, *config, std::move(stored->tensors)); !added) return added.error();
  }
  parts.keep_alive.push_back(std::move(config->ends));
  parts.keep_alive.push_back(std::shared_ptr<const void>(std::move(config->converted)));
  return parts;
}

}  // namespace llorch::model_file
