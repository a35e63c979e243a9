// A kernel like all others of this build, which the runtime asks for what it was compiled for.
#include "cuda/device/kernel.hpp"
#include "cuda/device/launch.hpp"

namespace llorch::cuda::detail {
namespace {

__global__ void only_waits() {
  wait_its_turn();
}

}  // namespace

const void* a_kernel() {
  return reinterpret_cast<const void*>(&only_waits);
}

}  // namespace llorch::cuda::detail
