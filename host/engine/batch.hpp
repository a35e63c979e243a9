// Which rows the next forward() computes.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/sequence.hpp"

namespace llorch::engine {

/// What the plugin and the options allow in one call.
struct BatchLimits {
  std::uint32_t rows = 0;         ///< tokens
  std::uint32_t output_rows = 0;  ///< rows with logits
  bool mixed = true;              ///< rows of several sequences may share a call
};

/// The rows of one call, grouped by sequence.
struct Batch {
  struct Part {
    std::shared_ptr<Sequence> sequence;
    std::uint32_t n_rows = 0;  ///< feeds tokens[fed .. fed + n_rows)
  };
  std::vector<Part> parts;
  std::vector<std::int32_t> tokens, positions, seq_ids;  // each (n_rows)
  std::vector<std::uint32_t> output_flags;               // (n_rows)
  std::uint32_t n_outputs = 0;

  void clear();
};

/// Fills `batch`: first one row for each decoding sequence, so that nobody's text stalls behind a long prompt; then
/// prefill chunks in the order of `active` (first come, first served) while there is room. Without `mixed`, the
/// sequences take turns; `turn` counts the calls.
void plan_batch(std::span<const std::shared_ptr<Sequence>> active, const BatchLimits& limits, std::size_t& turn,
                Batch& batch);

}  // namespace llorch::engine
