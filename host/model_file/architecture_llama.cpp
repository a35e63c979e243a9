#include "model_file/architecture_llama.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "base/text.hpp"
#include "model_file/config_reader.hpp"
#include "model_file/rope_config.hpp"

namespace llorch::model_file {
namespace {

// "Llama 2: Open Foundation and Fine-Tuned Chat Models" (2023). Linear layers are [out, in] everywhere. Rotary pairs
// are neighbours here and in GGUF; Hugging Face rotates component i with i + head / 2, hence another order of rows.
constexpr Arrangement kHalves = Arrangement::kRotaryHalves;
constexpr std::array<std::string_view, 2> kTypes = {"llama", "mistral"};

constexpr std::array kTensors = {
    TensorRule{"token_embd.weight", "embed_tokens.weight", {Axis::kVocabulary, Axis::kEmbedding}},
    // What each rotary frequency is divided by; Hugging Face says it in config.json.
    TensorRule{"rope_freqs.weight", "", {Axis::kRopePairs}, true},
    TensorRule{"blk.%.attn_norm.weight", "layers.%.input_layernorm.weight", {Axis::kEmbedding}},
    TensorRule{
        "blk.%.attn_q.weight", "layers.%.self_attn.q_proj.weight", {Axis::kQuery, Axis::kEmbedding}, false, kHalves},
    TensorRule{
        "blk.%.attn_k.weight", "layers.%.self_attn.k_proj.weight", {Axis::kKeyValue, Axis::kEmbedding}, false, kHalves},
    TensorRule{"blk.%.attn_v.weight", "layers.%.self_attn.v_proj.weight", {Axis::kKeyValue, Axis::kEmbedding}},
    TensorRule{"blk.%.attn_output.weight", "layers.%.self_attn.o_proj.weight", {Axis::kEmbedding, Axis::kQuery}},
    TensorRule{"blk.%.ffn_norm.weight", "layers.%.post_attention_layernorm.weight", {Axis::kEmbedding}},
    TensorRule{"blk.%.ffn_gate.weight", "layers.%.mlp.gate_proj.weight", {Axis::kFeedForward, Axis::kEmbedding}},
    TensorRule{"blk.%.ffn_up.weight", "layers.%.mlp.up_proj.weight", {Axis::kFeedForward, Axis::kEmbedding}},
    TensorRule{"blk.%.ffn_down.weight", "layers.%.mlp.down_proj.weight", {Axis::kEmbedding, Axis::kFeedForward}},
    TensorRule{"output_norm.weight", "norm.weight", {Axis::kEmbedding}},
    TensorRule{"output.weight", "lm_head.weight", {Axis::kVocabulary, Axis::kEmbedding}, true},
};

// The frequencies themselves, which older checkpoints carry along.
constexpr std::array<std::string_view, 1> kBuffers = {".rotary_emb.inv_freq"};

Error unsupported(const std::string& origin, std::string_view key, std::string_view what) {
  return make_error(ErrorCode::kUnsupported, fmt::format("{}: key '{}': {}", origin, key, what));
}

/// Mixtures of experts go by the same name in GGUF files; some kinds of scaling belong to other families.
Result<void> check_metadata(const Metadata& metadata, const std::string& origin) {
  constexpr std::string_view kExperts = "llama.expert_count";
  const auto experts = metadata.optional_u64(kExperts);
  if (!experts) return experts.error();
  if (experts->value_or(0) != 0)
    return unsupported(origin, kExperts, fmt::format("mixtures of experts are not supported, found {}", **experts));
  constexpr std::string_view kScaling = "llama.rope.scaling.type";
  const auto scaling = metadata.optional_string(kScaling);
  if (!scaling) return scaling.error();
  const std::string_view type = scaling->value_or("none");
  if (type != "none" && type != "linear" && type != "yarn")
    return unsupported(origin, kScaling, fmt::format("expected none, linear or yarn, found {}", quote(type)));
  return {};
}

/// Switches that change the mathematics and that no plugin knows.
Result<void> refuse_variants(const ConfigReader& config) {
  for (const std::string_view key : {"attention_bias", "mlp_bias"}) {
    const auto value = config.bool_or(key, false);
    if (!value) return value.error();
    if (*value) return config.unsupported(key, "only false is supported, found true");
  }
  const auto function = config.string_or("hidden_act", "silu");
  if (!function) return function.error();
  if (*function != "silu")
    return config.unsupported("hidden_act", fmt::format("expected silu, found {}", quote(*function)));
  return {};
}

struct Sizes {
  std::uint64_t embedding = 0, feed_forward = 0, blocks = 0, heads = 0, heads_kv = 0, head_size = 0, context = 0,
                vocabulary = 0;
};

/// Heads of keys and values. Where nothing is said Llama has one for each head of queries, Mistral 8; null means the
/// former for both.
Result<std::uint64_t> read_heads_kv(const ConfigReader& config, std::uint64_t heads, bool mistral) {
  constexpr std::string_view kKey = "num_key_value_heads";
  constexpr std::uint64_t kMistrals = 8;
  const bool stated = config.has(kKey);
  const bool implied = !stated && mistral && !config.says_null(kKey);
  auto value = stated ? config.size(kKey, kMostOfASize) : Result<std::uint64_t>(implied ? kMistrals : heads);
  if (value && heads % *value != 0) {
    return config.bad(kKey, fmt::format("expected a divisor of num_attention_heads {}, found {}", heads,
                                        implied ? "none, which means 8 in a Mistral" : std::to_string(*value)));
  }
  return value;
}

Result<Sizes> read_sizes(const ConfigReader& config, bool mistral) {
  Sizes sizes;
  struct Entry {
    std::string_view key;
    std::uint64_t* size;
    std::uint64_t most = kMostOfASize;
  };
  for (const Entry& entry :
       {Entry{"hidden_size", &sizes.embedding}, Entry{"intermediate_size", &sizes.feed_forward},
        Entry{"num_hidden_layers", &sizes.blocks, kMostBlocks}, Entry{"num_attention_heads", &sizes.heads},
        Entry{"max_position_embeddings", &sizes.context}, Entry{"vocab_size", &sizes.vocabulary}}) {
    const auto value = config.size(entry.key, entry.most);
    if (!value) return value.error();
    *entry.size = *value;
  }
  const auto heads_kv = read_heads_kv(config, sizes.heads, mistral);
  if (!heads_kv) return heads_kv.error();
  sizes.heads_kv = *heads_kv;
  const auto head_size = config.has("head_dim") ? config.u64("head_dim") : sizes.embedding / sizes.heads;
  if (!head_size) return head_size.error();
  if (!config.has("head_dim") && sizes.embedding % sizes.heads != 0) {
    return config.bad("num_attention_heads",
                      fmt::format("expected a divisor of hidden_size {}, found {}", sizes.embedding, sizes.heads));
  }
  if (*head_size == 0 || *head_size % 2 != 0 || *head_size > kMostHeadSize) {
    return config.bad(config.has("head_dim") ? "head_dim" : "num_attention_heads",
                      fmt::format("expected heads of an even size up to {}, found {}", kMostHeadSize, *head_size));
  }
  sizes.head_size = *head_size;
  return sizes;
}

/// Mistral's positions look back over this many, the own one included: 4096 where nothing is said, over all where null
/// is. Llama's configuration has no such thing.
Result<std::optional<std::uint64_t>> read_window(const ConfigReader& config, bool mistral) {
  constexpr std::string_view kKey = "sliding_window";
  constexpr std::uint64_t kMistrals = 4096;
  if (!mistral || config.says_null(kKey)) return std::optional<std::uint64_t>();
  if (!config.has(kKey)) return std::optional(kMistrals);
  const auto window = config.size(kKey, kMostOfASize);
  if (!window) return window.error();
  return std::optional(*window);
}

/// Positions of the model. With linear scaling max_position_embeddings may be those of the model it was made from, and
/// max_sequence_length its own: where the factor explains it, that counts.
Result<std::uint64_t> read_context(const ConfigReader& config, const Metadata& metadata, std::uint64_t embedded) {
  constexpr std::string_view kKey = "max_sequence_length";
  const auto scaling = metadata.optional_string("llama.rope.scaling.type");
  if (!scaling) return scaling.error();
  if (scaling->value_or("none") != "linear" || !config.has(kKey)) return embedded;
  const auto stated = config.size(kKey, kMostOfASize);
  if (!stated) return stated.error();
  const auto factor = metadata.f64("llama.rope.scaling.factor");
  if (!factor) return factor.error();
  const bool explained = static_cast<double>(*stated) <= static_cast<double>(embedded) * *factor;
  return explained ? std::max(*stated, embedded) : embedded;
}

Result<ConvertedConfig> convert_config(const boost::json::object& object, const std::string& origin) {
  const ConfigReader config(object, origin);
  if (auto usual = refuse_variants(config); !usual) return usual.error();
  const auto type = config.string("model_type");
  if (!type) return type.error();
  const bool mistral = *type == "mistral";
  const auto sizes = read_sizes(config, mistral);
  if (!sizes) return sizes.error();
  const auto epsilon = config.positive_or("rms_norm_eps", 1e-6);
  if (!epsilon) return epsilon.error();
  const auto window = read_window(config, mistral);
  if (!window) return window.error();
  const auto tied = config.bool_or("tie_word_embeddings", false);
  if (!tied) return tied.error();

  ConvertedConfig out{Metadata(origin), {}, {}, *tied};
  Metadata& meta = out.metadata;
  meta.insert("general.architecture", std::string_view("llama"));
  meta.insert("llama.embedding_length", sizes->embedding);
  meta.insert("llama.feed_forward_length", sizes->feed_forward);
  meta.insert("llama.block_count", sizes->blocks);
  meta.insert("llama.attention.head_count", sizes->heads);
  meta.insert("llama.attention.head_count_kv", sizes->heads_kv);
  meta.insert("llama.attention.key_length", sizes->head_size);
  meta.insert("llama.attention.value_length", sizes->head_size);
  meta.insert("llama.attention.layer_norm_rms_epsilon", *epsilon);
  meta.insert("llama.vocab_size", sizes->vocabulary);
  if (*window) meta.insert("llama.attention.sliding_window", **window);
  auto factors = convert_rope(object, origin, {"llama", sizes->head_size, sizes->context}, meta);
  if (!factors) return factors.error();
  const auto context = read_context(config, meta, sizes->context);
  if (!context) return context.error();
  meta.insert("llama.context_length", *context);
  if (!factors->empty()) out.tensors.push_back({"rope_freqs.weight", std::move(*factors)});
  return out;
}

}  // namespace

const Architecture& llama_architecture() {
  static const Architecture llama = {"llama",         kTypes,         kTensors,
                                     "model.",        kBuffers,       "attention.layer_norm_rms_epsilon",
                                     &convert_config, &check_metadata};
  return llama;
}

}  // namespace llorch::model_file
