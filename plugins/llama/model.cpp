#include "llama/model.hpp"

#include "common/base/hash.hpp"
#include "common/kv/kv_types.hpp"

namespace llorch::llama {

llorch_model_info model_info(const Config& config) {
  llorch_model_info info{};
  info.vocab_size = static_cast<std::uint32_t>(config.n_vocab);
  info.n_layers = static_cast<std::uint32_t>(config.n_layers);
  info.max_positions = static_cast<std::uint32_t>(config.n_positions);
  info.caps = kCapabilities;
  info.taps = kTaps;
  info.kv_block_tokens = static_cast<std::uint32_t>(common::kKvBlock);
  return info;
}

common::Rope make_rope(const Config& config, const float* divisors) {
  common::RopeSettings rope = config.rope;
  if (config.has_rope_freqs) rope.divisors.assign(divisors, divisors + rope.rotated / 2);
  return common::Rope(rope);
}

std::uint64_t model_fingerprint(std::uint64_t weights, const Config& config, const common::Rope& rope) {
  // Keys are kept rotated: a state fits only a model that turns them the same way.
  const auto& frequencies = rope.frequencies();
  const float scale = rope.scale();
  std::uint64_t hash = common::hash_bytes(weights, frequencies.data(), sizeof(float) * frequencies.size());
  hash = common::hash_bytes(hash, &scale, sizeof scale);
  hash = common::hash_bytes(hash, &config.window, sizeof config.window);
  return common::hash_bytes(hash, &config.norm_eps, sizeof config.norm_eps);
}

}  // namespace llorch::llama
