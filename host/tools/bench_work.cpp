#include "tools/bench_work.hpp"

#include <algorithm>
#include <string>

namespace llorch::tools {
namespace {

/// 1 + 2 + ... + n: token i sees i positions.
double positions_seen(std::uint64_t n) {
  return static_cast<double>(n) * static_cast<double>(n + 1) / 2;
}

}  // namespace

double ModelWork::prompt_flops(std::uint64_t n) const {
  return 2.0 * (static_cast<double>(block_weights) * static_cast<double>(n) + static_cast<double>(head_weights) +
                static_cast<double>(attention_per_position) * positions_seen(n));
}

double ModelWork::generation_flops(std::uint64_t n) const {
  return 2.0 * (static_cast<double>(block_weights + head_weights) * static_cast<double>(n) +
                static_cast<double>(attention_per_position) * positions_seen(n));
}

double ModelWork::generation_bytes(std::uint64_t n, double kv_bytes) const {
  return static_cast<double>(bytes_per_token) * static_cast<double>(n) + kv_bytes * positions_seen(n);
}

Result<ModelWork> count_work(const model_file::ModelFile& file) {
  const std::string arch(file.architecture());
  const auto n_layers = file.metadata().u64(arch + ".block_count");
  if (!n_layers) return n_layers.error();
  const auto dim = file.metadata().u64(arch + ".embedding_length");
  if (!dim) return dim.error();

  const auto tensors = file.tensors();
  const bool own_head =
      std::any_of(tensors.begin(), tensors.end(), [](const auto& t) { return t.name == "output.weight"; });
  ModelWork work;
  work.attention_per_position = 2 * *n_layers * *dim;
  for (const model_file::Tensor& t : tensors) {
    std::uint64_t elements = 1;
    for (const std::uint64_t d : t.dims) {
      elements *= d;
    }
    work.parameters += elements;
    work.file_bytes += t.nbytes;
    // A token looks up one row of an embedding; only where the table is the head, too, it is multiplied whole.
    const bool head = t.name == (own_head ? "output.weight" : "token_embd.weight");
    if (!head && (t.name == "token_embd.weight" || t.name == "position_embd.weight")) continue;
    work.bytes_per_token += t.nbytes;
    if (t.dims.size() < 2) continue;
    (head ? work.head_weights : work.block_weights) += elements;
  }
  return work;
}

}  // namespace llorch::tools
