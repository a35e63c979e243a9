#include "model_file/architecture.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/text.hpp"
#include "model_file/architecture_gpt2.hpp"
#include "model_file/architecture_llama.hpp"
#include "model_file/ggml_type.hpp"

namespace llorch::model_file {
namespace {

std::array<const Architecture*, 2> architectures() {
  return {&gpt2_architecture(), &llama_architecture()};
}

/// Reads hyperparameters under "<architecture>." and checks their ranges.
class HyperparameterReader {
 public:
  HyperparameterReader(const Architecture& architecture, const Metadata& metadata, const std::string& origin)
      : architecture_(architecture), metadata_(metadata), origin_(origin) {}

  [[nodiscard]] std::string key(std::string_view name) const { return fmt::format("{}.{}", architecture_.name, name); }

  [[nodiscard]] Error bad(std::string_view name, std::string_view what) const {
    return make_error(ErrorCode::kBadModel, fmt::format("{}: key '{}': {}", origin_, key(name), what));
  }

  [[nodiscard]] Result<std::uint64_t> size(std::string_view name, std::uint64_t most = kMostOfASize) const {
    const auto value = metadata_.u64(key(name));
    if (!value) return value.error();
    if (*value < 1 || *value > most) return bad(name, fmt::format("expected 1 to {}, found {}", most, *value));
    return *value;
  }

  [[nodiscard]] Result<void> positive_float(std::string_view name, bool required) const {
    const auto value = metadata_.optional_f64(key(name));
    if (!value) return value.error();
    if (!*value) return required ? Result<void>(bad(name, "is missing")) : Result<void>();
    if (!std::isfinite(**value) || **value <= 0)
      return bad(name, fmt::format("expected a finite number above 0, found {}", **value));
    return {};
  }

 private:
  const Architecture& architecture_;
  const Metadata& metadata_;
  const std::string& origin_;
};

/// Components of a head. Where any are rotated all are: none of the known families leaves a part alone.
Result<void> read_head_size(const HyperparameterReader& reader, const Metadata& metadata, Hyperparameters& h) {
  if (metadata.find(reader.key("attention.key_length")) != nullptr) {
    const auto keys = reader.size("attention.key_length", kMostHeadSize);
    if (!keys) return keys.error();
    h.head_size = *keys;
  } else if (h.embedding % h.heads == 0) {
    h.head_size = h.embedding / h.heads;
  } else {
    return reader.bad("attention.head_count", fmt::format("expected a divisor of {} {}, found {}",
                                                          reader.key("embedding_length"), h.embedding, h.heads));
  }
  const auto values = metadata.optional_u64(reader.key("attention.value_length"));
  if (!values) return values.error();
  if (values->value_or(h.head_size) != h.head_size) {
    return reader.bad("attention.value_length",
                      fmt::format("expected {}, as long as the keys, found {}", h.head_size, **values));
  }
  const auto rotated = metadata.optional_u64(reader.key("rope.dimension_count"));
  if (!rotated) return rotated.error();
  if (rotated->value_or(h.head_size) != h.head_size) {
    return reader.bad("rope.dimension_count",
                      fmt::format("expected {}, the length of a head, found {}", h.head_size, **rotated));
  }
  h.rope_pairs = h.head_size / 2;
  return {};
}

/// A context that positions cannot count is refused with the size of the cache it would take, in f32.
Result<std::uint64_t> read_context(const HyperparameterReader& reader, const Metadata& metadata,
                                   const Hyperparameters& h) {
  const auto context = metadata.u64(reader.key("context_length"));
  if (!context) return context.error();
  if (*context >= 1 && *context <= kMostOfASize) return *context;
  const long double row = 2.0L * sizeof(float) * static_cast<long double>(h.blocks * h.heads_kv * h.head_size);
  return reader.bad("context_length",
                    fmt::format("expected 1 to {}, found {}, whose KV cache would need {:.0f} bytes", kMostOfASize,
                                *context, static_cast<double>(row * static_cast<long double>(*context))));
}

/// Tokens in the file's own vocabulary, or what the architecture's vocab_size says; 0 when neither is there.
Result<std::uint64_t> read_vocabulary(const HyperparameterReader& reader, const Metadata& metadata) {
  const auto declared = metadata.optional_u64(reader.key("vocab_size"));
  if (!declared) return declared.error();
  if (*declared && (**declared < 1 || **declared > kMostOfASize))
    return reader.bad("vocab_size", fmt::format("expected 1 to {}, found {}", kMostOfASize, **declared));
  const Value* tokens = metadata.find("tokenizer.ggml.tokens");
  const auto* array = tokens == nullptr ? nullptr : std::get_if<Array>(tokens);
  if (array == nullptr) return declared->value_or(0);
  if (*declared && **declared != array->count) {
    return reader.bad("vocab_size", fmt::format("expected {}, the length of tokenizer.ggml.tokens, found {}",
                                                array->count, **declared));
  }
  return array->count;
}

/// Shapes out of axes. An unknown vocabulary is learnt from the first tensor that has that axis.
class ShapeMaker {
 public:
  explicit ShapeMaker(const Hyperparameters& h) : h_(h) {}

  [[nodiscard]] std::vector<std::uint64_t> shape(const TensorRule& rule, const std::vector<std::uint64_t>& stored) {
    std::vector<std::uint64_t> out;
    for (const Axis axis : rule.shape) {
      if (axis == Axis::kNone) continue;
      if (axis == Axis::kVocabulary && h_.vocabulary == 0 && !stored.empty() && stored[0] <= kMostOfASize)
        h_.vocabulary = stored[0];
      out.push_back(size(axis));
    }
    return out;
  }

 private:
  [[nodiscard]] std::uint64_t size(Axis axis) const {
    switch (axis) {
      case Axis::kNone:
        return 0;
      case Axis::kVocabulary:
        return h_.vocabulary;
      case Axis::kContext:
        return h_.context;
      case Axis::kEmbedding:
        return h_.embedding;
      case Axis::kQuery:
        return h_.heads * h_.head_size;
      case Axis::kKeyValue:
        return h_.heads_kv * h_.head_size;
      case Axis::kQkv:
        return h_.embedding + 2 * h_.heads_kv * h_.head_size;
      case Axis::kFeedForward:
        return h_.feed_forward;
      case Axis::kRopePairs:
        return h_.rope_pairs;
    }
    return 0;
  }

  Hyperparameters h_;
};

std::string with_block(std::string_view pattern, std::uint64_t block) {
  std::string name(pattern);
  if (const std::size_t at = name.find('%'); at != std::string::npos) name.replace(at, 1, std::to_string(block));
  return name;
}

/// A tensor that the table expects.
struct Expected {
  std::string name;    ///< canonical
  std::string stored;  ///< as the file should have it, without prefix
  const TensorRule* rule = nullptr;
  std::optional<std::size_t> found;
};

/// The table spelled out: what stands before the blocks, each block in turn, what stands behind them.
std::vector<Expected> expand(const Architecture& architecture, std::uint64_t blocks, Naming naming) {
  std::vector<Expected> out;
  const auto per_block = [](const TensorRule& rule) { return rule.name.find('%') != std::string_view::npos; };
  const auto add = [&](const TensorRule& rule, std::uint64_t block) {
    const std::string_view stored = naming == Naming::kGguf ? rule.name : rule.hugging_face;
    if (stored.empty()) return;  // no file of this kind holds it
    out.push_back({with_block(rule.name, block), with_block(stored, block), &rule, std::nullopt});
  };
  const auto rules = architecture.tensors;
  const auto first = std::find_if(rules.begin(), rules.end(), per_block);
  const auto last = std::find_if_not(first, rules.end(), per_block);
  std::for_each(rules.begin(), first, [&](const TensorRule& rule) { add(rule, 0); });
  for (std::uint64_t block = 0; block < blocks; ++block) {
    std::for_each(first, last, [&](const TensorRule& rule) { add(rule, block); });
  }
  std::for_each(last, rules.end(), [&](const TensorRule& rule) { add(rule, 0); });
  return out;
}

bool is_buffer(const Architecture& architecture, std::string_view name) {
  return std::any_of(architecture.hugging_face_buffers.begin(), architecture.hugging_face_buffers.end(),
                     [&](std::string_view ending) { return name.ends_with(ending); });
}

}  // namespace

const Architecture* find_architecture(std::string_view gguf_name) {
  for (const Architecture* architecture : architectures()) {
    if (architecture->name == gguf_name) return architecture;
  }
  return nullptr;
}

const Architecture* find_architecture_by_hugging_face_type(std::string_view model_type) {
  for (const Architecture* architecture : architectures()) {
    const auto types = architecture->hugging_face_types;
    if (std::find(types.begin(), types.end(), model_type) != types.end()) return architecture;
  }
  return nullptr;
}

Result<Hyperparameters> read_hyperparameters(const Architecture& architecture, const Metadata& metadata,
                                             const std::string& origin) {
  const HyperparameterReader reader(architecture, metadata, origin);
  if (architecture.check_metadata != nullptr) {
    if (auto ok = architecture.check_metadata(metadata, origin); !ok) return ok.error();
  }
  Hyperparameters h;
  const auto blocks = reader.size("block_count", kMostBlocks);
  if (!blocks) return blocks.error();
  h.blocks = *blocks;
  const auto embedding = reader.size("embedding_length");
  if (!embedding) return embedding.error();
  h.embedding = *embedding;
  const auto feed_forward = reader.size("feed_forward_length");
  if (!feed_forward) return feed_forward.error();
  h.feed_forward = *feed_forward;
  const auto heads = reader.size("attention.head_count");
  if (!heads) return heads.error();
  h.heads = *heads;
  if (auto ok = read_head_size(reader, metadata, h); !ok) return ok.error();
  h.heads_kv = h.heads;
  if (metadata.find(reader.key("attention.head_count_kv")) != nullptr) {
    const auto heads_kv = reader.size("attention.head_count_kv");
    if (!heads_kv) return heads_kv.error();
    if (h.heads % *heads_kv != 0) {
      return reader.bad("attention.head_count_kv", fmt::format("expected a divisor of {} {}, found {}",
                                                               reader.key("attention.head_count"), h.heads, *heads_kv));
    }
    h.heads_kv = *heads_kv;
  }
  if (auto ok = reader.positive_float(architecture.epsilon_key, true); !ok) return ok.error();
  if (auto ok = reader.positive_float("rope.freq_base", false); !ok) return ok.error();
  const auto context = read_context(reader, metadata, h);
  if (!context) return context.error();
  h.context = *context;
  const auto vocabulary = read_vocabulary(reader, metadata);
  if (!vocabulary) return vocabulary.error();
  h.vocabulary = *vocabulary;
  return h;
}

Result<std::vector<Binding>> bind_tensors(const Architecture& architecture, const Hyperparameters& hyperparameters,
                                          std::span<const StoredTensor> stored, Naming naming, bool tied_head,
                                          const std::string& origin) {
  const auto bad = [&](std::string what) {
    return make_error(ErrorCode::kBadModel, fmt::format("{}: {}", origin, what));
  };
  const bool hugging_face = naming == Naming::kHuggingFace;
  std::vector<Expected> expected = expand(architecture, hyperparameters.blocks, naming);
  std::unordered_map<std::string_view, std::size_t> by_name;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    by_name.emplace(expected[i].stored, i);
  }

  for (std::size_t i = 0; i < stored.size(); ++i) {
    std::string_view name = stored[i].name;
    if (hugging_face && name.starts_with(architecture.hugging_face_prefix))
      name.remove_prefix(architecture.hugging_face_prefix.size());
    const auto it = by_name.find(name);
    if (it == by_name.end()) {
      if (hugging_face && is_buffer(architecture, name)) continue;
      return bad(fmt::format("tensor {} is not part of a {} model with {} blocks", quote(stored[i].name),
                             architecture.name, hyperparameters.blocks));
    }
    Expected& wanted = expected[it->second];
    if (hugging_face && tied_head && wanted.name == "output.weight") continue;  // repeats the embedding
    if (wanted.found) {
      return bad(fmt::format("tensors {} and {} both stand for {}", quote(stored[*wanted.found].name),
                             quote(stored[i].name), wanted.name));
    }
    wanted.found = i;
  }

  ShapeMaker shapes(hyperparameters);
  std::vector<Binding> out;
  out.reserve(expected.size());
  for (Expected& wanted : expected) {
    const bool own_head = hugging_face && !tied_head && wanted.name == "output.weight";
    if (!wanted.found) {
      if (wanted.rule->optional && !own_head) continue;
      return bad(hugging_face ? fmt::format("tensor \"{}\" ({}) is missing", wanted.stored, wanted.name)
                              : fmt::format("tensor \"{}\" is missing", wanted.name));
    }
    const StoredTensor& tensor = stored[*wanted.found];
    const Arrangement arrangement = hugging_face ? wanted.rule->arrangement : Arrangement::kCanonical;
    const bool transposed = arrangement == Arrangement::kTransposed;
    Binding binding{std::move(wanted.name), *wanted.found, tensor.dims, arrangement};
    if (transposed) std::reverse(binding.dims.begin(), binding.dims.end());
    const auto shape = shapes.shape(*wanted.rule, binding.dims);
    if (binding.dims != shape) {
      std::vector<std::uint64_t> in_file = shape;
      if (transposed) std::reverse(in_file.begin(), in_file.end());
      return bad(fmt::format("tensor {}: shape {} expected from the hyperparameters, found {}", quote(tensor.name),
                             shape_text(in_file), shape_text(tensor.dims)));
    }
    out.push_back(std::move(binding));
  }
  return out;
}

}  // namespace llorch::model_file
