// The rows of a batch that a forward pass still computes.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/compute/attention.hpp"
#include "cpu/compute/compute.hpp"

namespace llorch::cpu {

/// It begins with the whole batch and ends with the rows whose logits are wanted.
struct LiveRows {
  std::int64_t n = 0;
  std::vector<std::uint32_t> batch_row;  // of each row
  std::vector<QueryRun> runs;            // the same rows, by sequence
  std::vector<std::uint32_t> outputs;    // batch rows whose logits are wanted, ascending
};

/// Keeps the rows whose logits are wanted: in `rows`, and their values in the residual stream x and in `queries`
/// (empty: none to keep), which move to the front.
void keep_output_rows(LiveRows& rows, const Rows& x, const Rows& queries);

}  // namespace llorch::cpu
