// A GPT-2 of a few hundred numbers as a GGUF file and as a Hugging Face directory: a right model to make wrong ones of.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "support/gguf_writer.hpp"
#include "support/safetensors_writer.hpp"
#include "support/temporary_directory.hpp"

namespace llorch::testing {

inline constexpr std::uint64_t kTinyVocabulary = 7, kTinyContext = 5, kTinyEmbedding = 6, kTinyFeedForward = 10,
                               kTinyBlocks = 2, kTinyHeads = 2;

/// Element (row, column) of the tensor number `tensor` in canonical orientation.
[[nodiscard]] inline float tiny_value(std::uint64_t tensor, std::uint64_t row, std::uint64_t column) {
  return static_cast<float>(tensor) + 0.01F * static_cast<float>(row) + 0.0001F * static_cast<float>(column);
}

/// Data of a (rows, columns) tensor; transposed: stored as (columns, rows).
[[nodiscard]] inline std::string tiny_data(std::uint64_t tensor, std::uint64_t rows, std::uint64_t columns,
                                           bool transposed) {
  std::string out;
  const std::uint64_t outer = transposed ? columns : rows;
  const std::uint64_t inner = transposed ? rows : columns;
  for (std::uint64_t i = 0; i < outer; ++i) {
    for (std::uint64_t j = 0; j < inner; ++j) {
      out += le(transposed ? tiny_value(tensor, j, i) : tiny_value(tensor, i, j));
    }
  }
  return out;
}

struct TinyTensor {
  std::string canonical, hugging_face;
  std::uint64_t rows = 0, columns = 0;  ///< canonical; columns 0: a vector
  bool transposed = false;              ///< in the Hugging Face file
};

/// All tensors in canonical order.
[[nodiscard]] inline std::vector<TinyTensor> tiny_gpt2_tensors() {
  constexpr std::uint64_t kE = kTinyEmbedding;
  constexpr std::uint64_t kF = kTinyFeedForward;
  std::vector<TinyTensor> out = {{"token_embd.weight", "wte.weight", kTinyVocabulary, kE},
                                 {"position_embd.weight", "wpe.weight", kTinyContext, kE}};
  for (std::uint64_t block = 0; block < kTinyBlocks; ++block) {
    const std::string to = "blk." + std::to_string(block) + ".";
    const std::string from = "h." + std::to_string(block) + ".";
    const std::vector<TinyTensor> rows = {{"attn_norm.weight", "ln_1.weight", kE},
                                          {"attn_norm.bias", "ln_1.bias", kE},
                                          {"attn_qkv.weight", "attn.c_attn.weight", 3 * kE, kE, true},
                                          {"attn_qkv.bias", "attn.c_attn.bias", 3 * kE},
                                          {"attn_output.weight", "attn.c_proj.weight", kE, kE, true},
                                          {"attn_output.bias", "attn.c_proj.bias", kE},
                                          {"ffn_norm.weight", "ln_2.weight", kE},
                                          {"ffn_norm.bias", "ln_2.bias", kE},
                                          {"ffn_up.weight", "mlp.c_fc.weight", kF, kE, true},
                                          {"ffn_up.bias", "mlp.c_fc.bias", kF},
                                          {"ffn_down.weight", "mlp.c_proj.weight", kE, kF, true},
                                          {"ffn_down.bias", "mlp.c_proj.bias", kE}};
    for (const TinyTensor& row : rows) {
      out.push_back({to + row.canonical, from + row.hugging_face, row.rows, row.columns, row.transposed});
    }
  }
  out.push_back({"output_norm.weight", "ln_f.weight", kE});
  out.push_back({"output_norm.bias", "ln_f.bias", kE});
  return out;
}

[[nodiscard]] inline GgufWriter tiny_gpt2_gguf() {
  GgufWriter writer;
  writer.set("general.architecture", gguf_text("gpt2"));
  writer.set("gpt2.context_length", gguf_u32(kTinyContext));
  writer.set("gpt2.embedding_length", gguf_u32(kTinyEmbedding));
  writer.set("gpt2.feed_forward_length", gguf_u32(kTinyFeedForward));
  writer.set("gpt2.block_count", gguf_u32(kTinyBlocks));
  writer.set("gpt2.attention.head_count", gguf_u32(kTinyHeads));
  writer.set("gpt2.attention.layer_norm_epsilon", gguf_f32(1e-5F));
  writer.set("tokenizer.ggml.tokens", gguf_text_array({"a", "b", "c", "d", "e", "f", "g"}));
  std::uint64_t number = 0;
  for (const TinyTensor& tensor : tiny_gpt2_tensors()) {
    std::vector<std::uint64_t> ne = {tensor.rows};
    if (tensor.columns > 0) ne = {tensor.columns, tensor.rows};
    const std::uint64_t columns = tensor.columns > 0 ? tensor.columns : 1;
    writer.tensors.push_back({tensor.canonical, ne, 0, tiny_data(number++, tensor.rows, columns, false)});
  }
  return writer;
}

/// `prefix`: "transformer." or nothing.
[[nodiscard]] inline SafetensorsWriter tiny_gpt2_safetensors(const std::string& prefix = {}) {
  SafetensorsWriter writer;
  std::uint64_t number = 0;
  for (const TinyTensor& tensor : tiny_gpt2_tensors()) {
    std::vector<std::uint64_t> shape = {tensor.rows};
    if (tensor.columns > 0) shape = {tensor.rows, tensor.columns};
    if (tensor.transposed) std::swap(shape[0], shape[1]);
    const std::uint64_t columns = tensor.columns > 0 ? tensor.columns : 1;
    writer.tensors.push_back(
        {prefix + tensor.hugging_face, "F32", shape, tiny_data(number++, tensor.rows, columns, tensor.transposed)});
  }
  return writer;
}

/// Members of config.json as JSON texts, to change before writing.
[[nodiscard]] inline std::map<std::string, std::string> tiny_gpt2_config() {
  return {{"model_type", "\"gpt2\""},
          {"n_embd", std::to_string(kTinyEmbedding)},
          {"n_layer", std::to_string(kTinyBlocks)},
          {"n_head", std::to_string(kTinyHeads)},
          {"n_positions", std::to_string(kTinyContext)},
          {"n_inner", std::to_string(kTinyFeedForward)},
          {"vocab_size", std::to_string(kTinyVocabulary)},
          {"activation_function", "\"gelu_new\""},
          {"layer_norm_epsilon", "1e-05"},
          {"bos_token_id", "0"},
          {"eos_token_id", "6"}};
}

[[nodiscard]] inline std::string config_text(const std::map<std::string, std::string>& config) {
  std::string out = "{";
  for (const auto& [key, value] : config) {
    out.append(out.size() > 1 ? ",\"" : "\"").append(key).append("\":").append(value);
  }
  return out + "}";
}

/// Writes config.json and model.safetensors.
inline void write_tiny_gpt2(const TemporaryDirectory& directory,
                            const std::map<std::string, std::string>& config = tiny_gpt2_config(),
                            const SafetensorsWriter& weights = tiny_gpt2_safetensors()) {
  directory.write("config.json", config_text(config));
  directory.write("model.safetensors", weights.bytes());
}

}  // namespace llorch::testing
