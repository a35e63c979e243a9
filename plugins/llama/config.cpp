#include "llama/config.hpp"

#include <algorithm>
#include <cmath>
#include <string>

namespace llorch::llama {
namespace {

constexpr std::uint32_t kMostLayers = 512;
constexpr std::uint32_t kMostColumns = 1u << 20;
constexpr std::uint32_t kMostHeadDim = 1u << 16;
constexpr std::uint32_t kMostPositions = 1u << 24;

/// A finite number above 0, `otherwise` where the file does not say.
double positive_or(const abi::Source& source, const char* key, double otherwise) {
  const double value = source.optional_f64(key).value_or(otherwise);
  if (!(value > 0 && std::isfinite(value))) {
    abi::fail(LLORCH_BAD_MODEL, key, ": expected a finite number above 0, found ", value);
  }
  return value;
}

/// A number within [low, high], `otherwise` where the file does not say.
std::int64_t u32_or(const abi::Source& source, const char* key, std::uint32_t low, std::uint32_t high,
                    std::int64_t otherwise) {
  return source.optional_u64(key) ? std::int64_t{source.u32_within(key, low, high)} : otherwise;
}

void read_heads(const abi::Source& source, Config& c) {
  c.n_heads = source.u32_within("llama.attention.head_count", 1, kMostColumns);
  c.n_heads_kv = u32_or(source, "llama.attention.head_count_kv", 1, kMostColumns, c.n_heads);
  if (c.n_heads % c.n_heads_kv != 0) {
    abi::fail(LLORCH_BAD_MODEL, "llama.attention.head_count_kv: expected a divisor of llama.attention.head_count ",
              c.n_heads, ", found ", c.n_heads_kv);
  }
  if (!source.optional_u64("llama.attention.key_length") && c.dim % c.n_heads != 0) {
    abi::fail(LLORCH_BAD_MODEL, "llama.attention.head_count: expected a divisor of llama.embedding_length ", c.dim,
              ", found ", c.n_heads);
  }
  c.head_dim = u32_or(source, "llama.attention.key_length", 1, kMostHeadDim, c.dim / c.n_heads);
  const std::int64_t values = u32_or(source, "llama.attention.value_length", 1, kMostHeadDim, c.head_dim);
  if (values != c.head_dim) {
    abi::fail(LLORCH_BAD_MODEL, "llama.attention.value_length: expected ", c.head_dim, ", as long as the keys, found ",
              values);
  }
}

/// A key that says nothing when it holds `usual`, as in files that spell every default out, and that nothing here
/// follows when it holds something else.
void usual_only(const abi::Source& source, const char* key, double usual) {
  const auto value = source.optional_f64(key);
  if (value && *value != usual) {
    abi::fail(LLORCH_UNSUPPORTED, key, ": expected ", usual, " or no such key, found ", *value);
  }
}

/// Settings that count with YaRN alone. (rope.scaling.finetuned is a remark: no code follows it.)
void refuse_yarn_settings(const abi::Source& source, const std::string& type) {
  usual_only(source, "llama.rope.scaling.attn_factor", 1.0);
  usual_only(source, "llama.rope.scaling.yarn_attn_factor", 1.0);
  const char* extrapolation_key = "llama.rope.scaling.yarn_ext_factor";
  const double extrapolation = source.optional_f64(extrapolation_key).value_or(0.0);
  if (!(extrapolation <= 0)) {
    abi::fail(LLORCH_UNSUPPORTED, extrapolation_key, ": expected 0 with the scaling ", type, ", found ", extrapolation);
  }
}

void read_yarn(const abi::Source& source, const Config& c, common::RopeSettings& rope) {
  rope.scaling = common::RopeSettings::Scaling::kYarn;
  rope.original_context =
      positive_or(source, "llama.rope.scaling.original_context_length", static_cast<double>(c.n_positions));
  rope.beta_fast = positive_or(source, "llama.rope.scaling.yarn_beta_fast", 32.0);
  rope.beta_slow = positive_or(source, "llama.rope.scaling.yarn_beta_slow", 1.0);
  rope.attention_factor = positive_or(source, "llama.rope.scaling.attn_factor", 1.0);
  const char* extrapolation_key = "llama.rope.scaling.yarn_ext_factor";
  const double extrapolation = source.optional_f64(extrapolation_key).value_or(1.0);
  if (!std::isfinite(extrapolation)) {
    abi::fail(LLORCH_BAD_MODEL, extrapolation_key, ": expected a finite number, found ", extrapolation);
  }
  rope.extrapolation = extrapolation < 0 ? 1.0 : extrapolation;  // below 0 means "the usual", which is 1
  // Converters put the whole scale here that Hugging Face calls attention_factor, others what comes on top of YaRN's
  // own. No program uses the key in this family, so only what changes nothing either way can be told from a guess.
  const char* attention_key = "llama.rope.scaling.yarn_attn_factor";
  const double attention = source.optional_f64(attention_key).value_or(1.0);
  const double whole = rope.factor > 1.0 ? 1.0 + 0.1 * std::log(rope.factor) : 1.0;
  if (attention != 1.0 && !(std::abs(attention - whole) < 1e-4)) {
    abi::fail(LLORCH_UNSUPPORTED, attention_key, ": expected 1, or ", whole, " (1 + 0.1 ln(factor)), found ", attention,
              ": llama.rope.scaling.attn_factor is the key of what is beyond that");
  }
  usual_only(source, "llama.rope.scaling.yarn_log_multiplier", 0.0);
}

common::RopeSettings read_rope(const abi::Source& source, const Config& c) {
  common::RopeSettings rope;
  const char* rotated_key = "llama.rope.dimension_count";
  rope.rotated = u32_or(source, rotated_key, 1, kMostHeadDim, c.head_dim);
  // Llamas turn their heads as a whole: a file that says otherwise belongs to another family.
  if (rope.rotated != c.head_dim) {
    abi::fail(LLORCH_BAD_MODEL, rotated_key, ": expected ", c.head_dim, ", the length of a head, found ", rope.rotated);
  }
  if (c.head_dim % 2 != 0) {
    abi::fail(LLORCH_BAD_MODEL, "llama.attention.key_length: expected heads of an even length, found ", c.head_dim);
  }
  rope.base = positive_or(source, "llama.rope.freq_base", 10000.0);
  usual_only(source, "llama.rope.scaling.alpha", 0.0);
  const char* type_key = "llama.rope.scaling.type";
  // Older files say no type, and the oldest have another key for the factor: what they mean is linear. 0 stands for 1.
  const char* factor_key =
      source.optional_f64("llama.rope.scaling.factor") ? "llama.rope.scaling.factor" : "llama.rope.scale_linear";
  const auto stated = source.optional_string(type_key);
  const bool scaled = source.optional_f64(factor_key).value_or(0.0) != 0.0;
  const std::string type = stated.value_or(scaled ? "linear" : "none");
  if (type != "none" && type != "linear" && type != "yarn") {
    abi::fail(LLORCH_UNSUPPORTED, type_key, ": expected none, linear or yarn, found ", type);
  }
  if (type != "yarn") refuse_yarn_settings(source, type);
  if (type == "none") return rope;
  rope.factor = scaled ? positive_or(source, factor_key, 1.0) : 1.0;
  if (type == "yarn") {
    read_yarn(source, c, rope);
  } else {
    rope.scaling = common::RopeSettings::Scaling::kLinear;
  }
  return rope;
}

void read_tensors(const abi::Source& source, Config& c) {
  const auto embedding = source.find("token_embd.weight");
  if (!embedding || embedding->n_dims != 2 || embedding->dims[0] == 0 || embedding->dims[0] > INT32_MAX) {
    abi::fail(LLORCH_BAD_MODEL, "tensor token_embd.weight: expected (vocabulary, ", c.dim, "), found ",
              embedding ? abi::shape_text({embedding->dims, std::min(embedding->n_dims, 8u)}) : "none");
  }
  c.n_vocab = static_cast<std::int64_t>(embedding->dims[0]);
  c.tied_output = !source.find("output.weight");
  c.has_rope_freqs = source.find("rope_freqs.weight").has_value();
}

}  // namespace

Config read_config(const abi::Source& source) {
  const std::string architecture = source.string("general.architecture");
  if (architecture != "llama") {
    abi::fail(LLORCH_UNSUPPORTED, "general.architecture: expected llama, found ", architecture);
  }
  if (const auto experts = source.optional_u64("llama.expert_count"); experts.value_or(0) != 0) {
    abi::fail(LLORCH_UNSUPPORTED, "llama.expert_count: expected 0, found ", *experts, ": a mixture of experts");
  }
  Config c;
  c.n_layers = source.u32_within("llama.block_count", 1, kMostLayers);
  c.dim = source.u32_within("llama.embedding_length", 1, kMostColumns);
  c.ffn_dim = source.u32_within("llama.feed_forward_length", 1, kMostColumns);
  c.n_positions = source.u32_within("llama.context_length", 1, kMostPositions);
  read_heads(source, c);
  c.window = u32_or(source, "llama.attention.sliding_window", 0, UINT32_MAX, 0);
  const char* eps_key = "llama.attention.layer_norm_rms_epsilon";
  const double eps = source.f64(eps_key);
  if (!(eps > 0 && eps <= 1)) {
    abi::fail(LLORCH_BAD_MODEL, eps_key, ": expected a number above 0 and up to 1, found ", eps);
  }
  c.norm_eps = static_cast<float>(eps);
  c.rope = read_rope(source, c);
  read_tensors(source, c);
  return c;
}

}  // namespace llorch::llama
