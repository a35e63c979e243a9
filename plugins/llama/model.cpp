#include "llama/model.hpp"

#include "common/base/hash.hpp"

namespace llorch::llama {

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
