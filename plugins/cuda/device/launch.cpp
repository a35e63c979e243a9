#include "cuda/device/launch.hpp"

#include <llorch/plugin.hpp>

namespace llorch::cuda::detail {

void check_launch(const char* name, Dim grid, Dim block, std::size_t shared_bytes, std::uint64_t most_shared_bytes) {
  const auto text = [](Dim d) {
    const std::uint64_t dims[] = {d.x, d.y, d.z};
    return abi::shape_text(dims);
  };
  constexpr unsigned kMostX = 0x7fffffffu, kMostYz = 65535;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > kMostX || grid.y > kMostYz || grid.z > kMostYz) {
    abi::fail(LLORCH_INTERNAL, "kernel ", name, ": a grid of ", text(grid), " blocks, expected 1 to ", kMostX, ", ",
              kMostYz, " and ", kMostYz);
  }
  const std::uint64_t threads = std::uint64_t{1} * block.x * block.y * block.z;
  if (threads == 0 || threads > kMostBlockThreads || block.x % kWarp != 0 || block.z > 64) {
    abi::fail(LLORCH_INTERNAL, "kernel ", name, ": a block of ", text(block),
              " threads, expected whole warps in x and at most ", kMostBlockThreads);
  }
  if (shared_bytes > most_shared_bytes) {
    abi::fail(LLORCH_INTERNAL, "kernel ", name, ": ", shared_bytes, " bytes of shared memory a block, the device has ",
              most_shared_bytes);
  }
}

}  // namespace llorch::cuda::detail
