// Rotary positions over a batch of rows; common/rope makes the angles.
#pragma once

#include <cstdint>

#include "cpu/compute/compute.hpp"

namespace llorch::cpu {

/// Turns the heads of x (n_rows, any number of heads of head_dim) in place. cosines, sines: (n_rows, rotated), as
/// common::Rope::angles() makes them.
void rotate_heads(Compute& compute, const Rows& x, std::int64_t head_dim, const Rows& cosines, const Rows& sines);

}  // namespace llorch::cpu
