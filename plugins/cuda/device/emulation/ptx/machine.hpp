// Runs kernels from the PTX that nvcc made of them.
#pragma once

#include <string>
#include <vector>

#include "cuda/device/emulation/fibers.hpp"
#include "cuda/device/emulation/ptx/program.hpp"

namespace llorch::cuda::ptx {

using Argument = cuda::detail::EmulatedCall::Argument;

/// The kernel whose host function lies at `function`, from the .ptx files of `folder`. Throws abi::Failure when there
/// is none. [any-thread]
[[nodiscard]] const Kernel& find_kernel(const std::string& folder, const void* function);

/// Blocks one after another, their warps from barrier to barrier, in orders drawn from LLORCH_CUDA_EMULATION_SEED.
/// Throws abi::Failure naming the kernel, the line of its PTX, the block and the thread: an access outside of memory, a
/// misaligned one, memory touched before griddepcontrol.wait, lanes or warps that do not come together.
void run_grid(const emulation::Grid& grid, const Kernel& kernel, const std::vector<Argument>& arguments);

}  // namespace llorch::cuda::ptx
