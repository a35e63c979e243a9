// The rows of a batch that a forward pass still computes, and their values.
#pragma once

#include "common/batch/live_rows.hpp"
#include "cpu/compute/compute.hpp"

namespace llorch::cpu {

using common::LiveRows;
using common::QueryRun;

/// Keeps the rows whose logits are wanted: in `rows`, and their values in the residual stream x and in `queries`
/// (empty: none to keep), which move to the front.
void keep_output_rows(LiveRows& rows, const Rows& x, const Rows& queries);

}  // namespace llorch::cpu
