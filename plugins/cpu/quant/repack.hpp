// From a file's blocks to the interleaved form that the kernels read (cpu/kernels/packing.hpp).
#pragma once

#include <cstdint>

#include "cpu/kernels/types.hpp"

namespace llorch::cpu {

/// Packs one row group: n_rows (1..kLanes) rows of n_cols values, blocks as in the file, rows one after the other, to
/// `out` (PackedFormat::group_bytes(n_cols), zero-filled). n_cols is a multiple of the type's block. [any-thread]
void repack_group(WeightType type, const void* rows, std::int64_t n_rows, std::int64_t n_cols, void* out);

}  // namespace llorch::cpu
