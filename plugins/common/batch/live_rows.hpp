// The rows of a batch that a forward pass still computes.
#pragma once

#include <cstdint>
#include <vector>

namespace llorch::common {

/// Consecutive rows of one sequence whose queries are to be answered.
struct QueryRun {
  std::int32_t seq = 0;
  std::int64_t first_row = 0;  ///< in the batch's activations
  std::int64_t n_rows = 0;
  std::int64_t n_visible = 0;  ///< rows of the cache that the first query sees, its own included; later ones see one
                               ///< more each
};

/// It begins with the whole batch and ends with the rows whose logits are wanted.
struct LiveRows {
  std::int64_t n = 0;
  std::vector<std::uint32_t> batch_row;  // of each row
  std::vector<QueryRun> runs;            // the same rows, by sequence
  std::vector<std::uint32_t> outputs;    // batch rows whose logits are wanted, ascending
};

/// Keeps the rows whose logits are wanted. Returns where each of them was: ascending, element i being i or more. Values
/// that belong to the rows are the caller's to move.
std::vector<std::int64_t> keep_output_rows(LiveRows& rows);

}  // namespace llorch::common
