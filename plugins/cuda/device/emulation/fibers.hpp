// Runs the threads of a grid as fibers of the calling thread: block after block, and in a block warp after warp, each
// lane until it meets the others at a barrier or a collective instruction. The order of lanes, warps and blocks is
// drawn from a seed, so that a missing barrier shows as results that change with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "cuda/device/launch.hpp"

namespace llorch::cuda::emulation {

struct Grid {
  const char* name;
  Dim grid, block;
  std::size_t shared_bytes;
  const std::function<void()>* body;
  bool overlaps = true;  // a block, drawn from the seed, may find only constant memory before wait_for_previous()
};

/// Runs all of it. A failure names kernel, block and thread: threads of a warp or block that wait at different places,
/// a misaligned access, a write behind the block's shared memory, an end without wait_for_previous(). Whatever the
/// kernel throws comes through too. One grid at a time in a process; others wait. [any-thread]
void run_grid(const Grid& grid);

/// Seeds the order of fibers for all grids from now on; 1 at first, or LLORCH_CUDA_EMULATION_SEED. [any-thread]
void set_seed(std::uint64_t seed);

}  // namespace llorch::cuda::emulation
