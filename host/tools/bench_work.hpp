// How much a forward pass has to compute and to read: what turns seconds into GFLOP/s and GB/s.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "model_file/model_file.hpp"

namespace llorch::tools {

/// Counted from the tensor table; no plugin is asked.
struct ModelWork {
  std::uint64_t parameters = 0;  ///< of all tensors
  std::uint64_t file_bytes = 0;  ///< of all tensors
  /// Elements of the matrices that every token is multiplied with, without the output head.
  std::uint64_t block_weights = 0;
  /// Of the output head, which only rows with logits pass.
  std::uint64_t head_weights = 0;
  /// Bytes of both, and of the vectors (norms, biases): what one decoded token reads, besides the KV cache.
  std::uint64_t bytes_per_token = 0;
  /// Multiply-adds of attention for one token and one position that it sees: Q.K and softmax.V in every layer.
  std::uint64_t attention_per_position = 0;

  /// Operations (a multiply-add is two) of a prompt of n tokens from an empty cache, logits for the last one.
  [[nodiscard]] double prompt_flops(std::uint64_t n) const;
  /// Operations of n tokens decoded one by one from an empty cache, logits for each.
  [[nodiscard]] double generation_flops(std::uint64_t n) const;
  /// Bytes that those n decoded tokens read when nothing stays in a cache. kv_bytes: of one position, all layers.
  [[nodiscard]] double generation_bytes(std::uint64_t n, double kv_bytes) const;
};

/// Needs `<arch>.block_count` and `<arch>.embedding_length`.
[[nodiscard]] Result<ModelWork> count_work(const model_file::ModelFile& file);

}  // namespace llorch::tools
