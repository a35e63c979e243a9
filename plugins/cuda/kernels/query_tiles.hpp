// The tiles of queries in which prefill attends.
#pragma once

#include <cstdint>
#include <vector>

#include "common/batch/live_rows.hpp"
#include "cuda/kernels/kernels.hpp"

namespace llorch::cuda {

/// The tiles of a batch: each run cut into tiles of query_tile_rows(). [host]
std::vector<QueryTile> query_tiles(const std::vector<common::QueryRun>& runs, std::int64_t n_heads,
                                   std::int64_t n_heads_kv);

}  // namespace llorch::cuda
