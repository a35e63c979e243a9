#include "gpt2_cpu/config.hpp"

#include <algorithm>
#include <string>

namespace llorch::gpt2_cpu {
namespace {

constexpr std::uint32_t kMostLayers = 512;
constexpr std::uint32_t kMostColumns = 1u << 20;
constexpr std::uint32_t kMostPositions = 1u << 24;

Activation read_activation(const abi::Source& source) {
  const char* key = "gpt2.hidden_activation";
  const std::string name = source.optional_string(key).value_or("gelu_new");
  if (name == "gelu_new" || name == "gelu_pytorch_tanh") return Activation::kGeluTanh;
  if (name == "gelu") return Activation::kGeluErf;
  abi::fail(LLORCH_UNSUPPORTED, key, ": expected gelu_new or gelu, found ", name);
}

}  // namespace

Config read_config(const abi::Source& source) {
  const std::string architecture = source.string("general.architecture");
  if (architecture != "gpt2") {
    abi::fail(LLORCH_UNSUPPORTED, "general.architecture: expected gpt2, found ", architecture);
  }
  Config c;
  c.n_layers = source.u32_within("gpt2.block_count", 1, kMostLayers);
  c.dim = source.u32_within("gpt2.embedding_length", 1, kMostColumns);
  c.n_heads = source.u32_within("gpt2.attention.head_count", 1, kMostColumns);
  c.ffn_dim = source.u32_within("gpt2.feed_forward_length", 1, kMostColumns);
  c.n_positions = source.u32_within("gpt2.context_length", 1, kMostPositions);
  if (c.dim % c.n_heads != 0) {
    abi::fail(LLORCH_BAD_MODEL, "gpt2.attention.head_count: expected a divisor of gpt2.embedding_length ", c.dim,
              ", found ", c.n_heads);
  }
  c.head_dim = c.dim / c.n_heads;
  const double eps = source.optional_f64("gpt2.attention.layer_norm_epsilon").value_or(1e-5);
  if (!(eps > 0 && eps <= 1)) {
    abi::fail(LLORCH_BAD_MODEL, "gpt2.attention.layer_norm_epsilon: expected a number above 0 and up to 1, found ",
              eps);
  }
  c.norm_eps = static_cast<float>(eps);
  c.activation = read_activation(source);
  const auto embedding = source.find("token_embd.weight");
  if (!embedding || embedding->n_dims != 2 || embedding->dims[0] == 0 || embedding->dims[0] > INT32_MAX) {
    abi::fail(LLORCH_BAD_MODEL, "tensor token_embd.weight: expected (vocabulary, ", c.dim, "), found ",
              embedding ? abi::shape_text({embedding->dims, std::min(embedding->n_dims, 8u)}) : "none");
  }
  c.n_vocab = static_cast<std::int64_t>(embedding->dims[0]);
  c.tied_output = !source.find("output.weight");
  return c;
}

}  // namespace llorch::gpt2_cpu
