#include "engine/batch.hpp"

#include <algorithm>

namespace llorch::engine {
namespace {

/// Appends up to `rows` rows of one sequence, fewer when the logits they need exceed the room for output rows.
void append_rows(const std::shared_ptr<Sequence>& sequence, std::uint32_t rows, const BatchLimits& limits,
                 Batch& batch) {
  std::uint32_t taken = 0;
  for (; taken < rows; ++taken) {
    const std::uint32_t index = sequence->fed + taken;
    const bool output = sequence->wants_logits(index);
    if (output && batch.n_outputs == limits.output_rows) break;
    batch.tokens.push_back(sequence->tokens[index]);
    batch.positions.push_back(static_cast<std::int32_t>(index));
    batch.seq_ids.push_back(static_cast<std::int32_t>(sequence->slot));
    batch.output_flags.push_back(output ? 1U : 0U);
    batch.n_outputs += output ? 1U : 0U;
  }
  if (taken > 0) batch.parts.push_back({sequence, taken});
}

}  // namespace

void Batch::clear() {
  parts.clear();
  tokens.clear();
  positions.clear();
  seq_ids.clear();
  output_flags.clear();
  n_outputs = 0;
}

void plan_batch(std::span<const std::shared_ptr<Sequence>> active, const BatchLimits& limits, std::size_t& turn,
                Batch& batch) {
  batch.clear();
  if (!limits.mixed) active = active.subspan(turn++ % active.size(), 1);
  const auto decoding = [](const auto& s) { return s->pending() == 1; };
  for (const auto& s : active) {
    if (decoding(s)) append_rows(s, 1, limits, batch);
  }
  for (const auto& s : active) {
    const auto room = limits.rows - static_cast<std::uint32_t>(batch.tokens.size());
    if (!decoding(s) && room > 0) append_rows(s, std::min(room, s->pending()), limits, batch);
  }
}

}  // namespace llorch::engine
