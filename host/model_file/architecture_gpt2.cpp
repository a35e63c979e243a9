#include "model_file/architecture_gpt2.hpp"

#include <spdlog/fmt/fmt.h>

#include <array>
#include <utility>

#include "base/text.hpp"
#include "model_file/config_reader.hpp"

namespace llorch::model_file {
namespace {

// "Language Models are Unsupervised Multitask Learners" (2019). Hugging Face keeps the linear layers as Conv1D, whose
// weight is [in, out]; the canonical orientation is [out, in].
constexpr Arrangement kConv1d = Arrangement::kTransposed;
constexpr std::array<std::string_view, 1> kTypes = {"gpt2"};

constexpr std::array kTensors = {
    TensorRule{"token_embd.weight", "wte.weight", {Axis::kVocabulary, Axis::kEmbedding}},
    TensorRule{"position_embd.weight", "wpe.weight", {Axis::kContext, Axis::kEmbedding}},
    TensorRule{"blk.%.attn_norm.weight", "h.%.ln_1.weight", {Axis::kEmbedding}},
    TensorRule{"blk.%.attn_norm.bias", "h.%.ln_1.bias", {Axis::kEmbedding}},
    TensorRule{"blk.%.attn_qkv.weight", "h.%.attn.c_attn.weight", {Axis::kQkv, Axis::kEmbedding}, false, kConv1d},
    TensorRule{"blk.%.attn_qkv.bias", "h.%.attn.c_attn.bias", {Axis::kQkv}},
    TensorRule{
        "blk.%.attn_output.weight", "h.%.attn.c_proj.weight", {Axis::kEmbedding, Axis::kEmbedding}, false, kConv1d},
    TensorRule{"blk.%.attn_output.bias", "h.%.attn.c_proj.bias", {Axis::kEmbedding}},
    TensorRule{"blk.%.ffn_norm.weight", "h.%.ln_2.weight", {Axis::kEmbedding}},
    TensorRule{"blk.%.ffn_norm.bias", "h.%.ln_2.bias", {Axis::kEmbedding}},
    TensorRule{"blk.%.ffn_up.weight", "h.%.mlp.c_fc.weight", {Axis::kFeedForward, Axis::kEmbedding}, false, kConv1d},
    TensorRule{"blk.%.ffn_up.bias", "h.%.mlp.c_fc.bias", {Axis::kFeedForward}},
    TensorRule{
        "blk.%.ffn_down.weight", "h.%.mlp.c_proj.weight", {Axis::kEmbedding, Axis::kFeedForward}, false, kConv1d},
    TensorRule{"blk.%.ffn_down.bias", "h.%.mlp.c_proj.bias", {Axis::kEmbedding}},
    TensorRule{"output_norm.weight", "ln_f.weight", {Axis::kEmbedding}},
    TensorRule{"output_norm.bias", "ln_f.bias", {Axis::kEmbedding}},
    TensorRule{"output.weight", "lm_head.weight", {Axis::kVocabulary, Axis::kEmbedding}, true},
};

// The causal mask, which older checkpoints carry along.
constexpr std::array<std::string_view, 2> kBuffers = {".attn.bias", ".attn.masked_bias"};

/// The two activations GPT-2 files use: the tanh approximation under its two names, and the exact erf form.
Result<std::string_view> activation(const ConfigReader& config) {
  const auto name = config.string_or("activation_function", "gelu_new");
  if (!name) return name.error();
  if (*name == "gelu_new" || *name == "gelu_pytorch_tanh") return std::string_view("gelu_new");
  if (*name == "gelu") return std::string_view("gelu");
  return config.bad("activation_function",
                    fmt::format("expected gelu_new, gelu_pytorch_tanh or gelu, found {}", quote(*name)));
}

/// Switches that change the mathematics and that no plugin knows.
Result<void> refuse_variants(const ConfigReader& config) {
  constexpr std::array<std::pair<std::string_view, bool>, 3> kSwitches = {{
      {"scale_attn_weights", true},
      {"scale_attn_by_inverse_layer_idx", false},
      {"add_cross_attention", false},
  }};
  for (const auto& [key, usual] : kSwitches) {
    const auto value = config.bool_or(key, usual);
    if (!value) return value.error();
    if (*value != usual) return config.unsupported(key, fmt::format("only {} is supported, found {}", usual, *value));
  }
  return {};
}

Result<ConvertedConfig> convert_config(const boost::json::object& object, const std::string& origin) {
  const ConfigReader config(object, origin);
  if (auto usual = refuse_variants(config); !usual) return usual.error();
  const auto function = activation(config);
  if (!function) return function.error();
  const auto tied = config.bool_or("tie_word_embeddings", true);
  if (!tied) return tied.error();
  const auto embedding = config.size("n_embd", kMostOfASize);
  if (!embedding) return embedding.error();
  const auto context = config.size(config.has("n_positions") ? "n_positions" : "n_ctx", kMostOfASize);
  if (!context) return context.error();
  const auto inner =
      config.has("n_inner") ? config.size("n_inner", kMostOfASize) : Result<std::uint64_t>(4 * *embedding);
  if (!inner) return inner.error();
  const auto blocks = config.size("n_layer", kMostBlocks);
  if (!blocks) return blocks.error();
  const auto heads = config.size("n_head", kMostOfASize);
  if (!heads) return heads.error();
  if (*embedding % *heads != 0)
    return config.bad("n_head", fmt::format("expected a divisor of n_embd {}, found {}", *embedding, *heads));
  const auto vocabulary = config.size("vocab_size", kMostOfASize);
  if (!vocabulary) return vocabulary.error();
  const auto epsilon = config.positive_or("layer_norm_epsilon", 1e-5);
  if (!epsilon) return epsilon.error();

  ConvertedConfig out{Metadata(origin), {}, {}, *tied};
  Metadata& meta = out.metadata;
  meta.insert("general.architecture", std::string_view("gpt2"));
  meta.insert("gpt2.context_length", *context);
  meta.insert("gpt2.embedding_length", *embedding);
  meta.insert("gpt2.feed_forward_length", *inner);
  meta.insert("gpt2.block_count", *blocks);
  meta.insert("gpt2.attention.head_count", *heads);
  meta.insert("gpt2.attention.layer_norm_epsilon", *epsilon);
  meta.insert("gpt2.hidden_activation", *function);
  meta.insert("gpt2.vocab_size", *vocabulary);
  return out;
}

}  // namespace

const Architecture& gpt2_architecture() {
  static const Architecture gpt2 = {
      "gpt2", kTypes, kTensors, "transformer.", kBuffers, "attention.layer_norm_epsilon", &convert_config};
  return gpt2;
}

}  // namespace llorch::model_file
