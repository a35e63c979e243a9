// What the emulated device is, and how tests make it fail. Read from the environment once, so that tests of a plugin in
// a process of its own can choose.
#pragma once

#include <cstdint>
#include <string>

namespace llorch::cuda::emulation {

struct Settings {
  int devices = 1;                                       // LLORCH_CUDA_EMULATION_DEVICES
  std::uint64_t memory_bytes = std::uint64_t{4} << 30u;  // LLORCH_CUDA_EMULATION_MEMORY, of each device
  // LLORCH_CUDA_EMULATION_SHARED, of a block; at first that of sm_75, the least of those we build for
  std::uint64_t shared_bytes = std::uint64_t{64} << 10u;
  // That of sm_80, which two stages of most kernels want; more where a block may have more.
  std::uint64_t shared_bytes_of_multiprocessor = std::uint64_t{164} << 10u;
  // LLORCH_CUDA_EMULATION_EARLY: of so many grids, one has a block that begins before the previous one ends
  unsigned grids_for_an_early_block = 8;
  std::uint64_t seed = 1;            // LLORCH_CUDA_EMULATION_SEED: of the order in which threads run
  std::string failing_kernel;        // LLORCH_CUDA_EMULATION_FAIL=NAME: launching this one is a device error
  std::uint64_t failing_launch = 1;  // NAME:N: from its launch N on, counted from 1
  std::string ptx_folder;            // LLORCH_CUDA_EMULATION_PTX: kernels run from the .ptx files there
  bool trace = false;                // LLORCH_CUDA_EMULATION_TRACE: each kernel's name to stderr before it runs
};

/// May be changed by tests in the same process, before anything runs.
[[nodiscard]] Settings& settings();

}  // namespace llorch::cuda::emulation
