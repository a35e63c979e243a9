// A Llama of one small block as a Hugging Face directory and as a GGUF file: a right model to make wrong ones of.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "support/gguf_writer.hpp"
#include "support/safetensors_writer.hpp"
#include "support/temporary_directory.hpp"
#include "support/tiny_gpt2.hpp"

namespace llorch::testing {

/// 5 ids, 4 wide, 2 heads of 6 over 1, feed-forward 3, 8 positions; members of config.json as JSON text.
[[nodiscard]] inline std::map<std::string, std::string> tiny_llama_config() {
  return {{"model_type", "\"llama\""},
          {"hidden_size", "4"},
          {"intermediate_size", "3"},
          {"num_hidden_layers", "1"},
          {"num_attention_heads", "2"},
          {"num_key_value_heads", "1"},
          {"head_dim", "6"},
          {"max_position_embeddings", "8"},
          {"vocab_size", "5"},
          {"rms_norm_eps", "1e-6"},
          {"rope_theta", "10000.0"},
          {"bos_token_id", "1"},
          {"eos_token_id", "2"}};
}

/// Names in both kinds of files and (rows, columns); columns 0: a vector.
[[nodiscard]] inline std::vector<TinyTensor> tiny_llama_tensors() {
  return {{"token_embd.weight", "model.embed_tokens.weight", 5, 4},
          {"blk.0.attn_norm.weight", "model.layers.0.input_layernorm.weight", 4, 0},
          {"blk.0.attn_q.weight", "model.layers.0.self_attn.q_proj.weight", 12, 4},
          {"blk.0.attn_k.weight", "model.layers.0.self_attn.k_proj.weight", 6, 4},
          {"blk.0.attn_v.weight", "model.layers.0.self_attn.v_proj.weight", 6, 4},
          {"blk.0.attn_output.weight", "model.layers.0.self_attn.o_proj.weight", 4, 12},
          {"blk.0.ffn_norm.weight", "model.layers.0.post_attention_layernorm.weight", 4, 0},
          {"blk.0.ffn_gate.weight", "model.layers.0.mlp.gate_proj.weight", 3, 4},
          {"blk.0.ffn_up.weight", "model.layers.0.mlp.up_proj.weight", 3, 4},
          {"blk.0.ffn_down.weight", "model.layers.0.mlp.down_proj.weight", 4, 3},
          {"output_norm.weight", "model.norm.weight", 4, 0},
          {"output.weight", "lm_head.weight", 5, 4}};
}

/// Element (row, column) as the Hugging Face file has it is tiny_value(tensor, row, column).
inline SafetensorsWriter tiny_llama_safetensors() {
  SafetensorsWriter writer;
  std::uint64_t number = 0;
  for (const TinyTensor& tensor : tiny_llama_tensors()) {
    std::vector<std::uint64_t> shape = {tensor.rows};
    if (tensor.columns > 0) shape.push_back(tensor.columns);
    const std::uint64_t columns = tensor.columns > 0 ? tensor.columns : 1;
    writer.tensors.push_back({tensor.hugging_face, "F32", shape, tiny_data(number++, tensor.rows, columns, false)});
  }
  return writer;
}

inline void write_tiny_llama(const TemporaryDirectory& directory,
                             const std::map<std::string, std::string>& config = tiny_llama_config(),
                             const SafetensorsWriter& weights = tiny_llama_safetensors()) {
  directory.write("config.json", config_text(config));
  directory.write("model.safetensors", weights.bytes());
}

/// The same numbers in the same places: not the same model, whose queries and keys would have other rows.
[[nodiscard]] inline GgufWriter tiny_llama_gguf() {
  GgufWriter writer;
  writer.set("general.architecture", gguf_text("llama"));
  writer.set("llama.context_length", gguf_u32(8));
  writer.set("llama.embedding_length", gguf_u32(4));
  writer.set("llama.feed_forward_length", gguf_u32(3));
  writer.set("llama.block_count", gguf_u32(1));
  writer.set("llama.attention.head_count", gguf_u32(2));
  writer.set("llama.attention.head_count_kv", gguf_u32(1));
  writer.set("llama.attention.key_length", gguf_u32(6));
  writer.set("llama.attention.layer_norm_rms_epsilon", gguf_f32(1e-6F));
  std::uint64_t number = 0;
  for (const TinyTensor& tensor : tiny_llama_tensors()) {
    std::vector<std::uint64_t> ne = {tensor.rows};
    if (tensor.columns > 0) ne = {tensor.columns, tensor.rows};
    const std::uint64_t columns = tensor.columns > 0 ? tensor.columns : 1;
    writer.tensors.push_back({tensor.canonical, ne, 0, tiny_data(number++, tensor.rows, columns, false)});
  }
  return writer;
}

}  // namespace llorch::testing
