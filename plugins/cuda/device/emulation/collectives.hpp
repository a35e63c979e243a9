// What the 32 lanes of a warp do in one instruction.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "cuda/device/kernel.hpp"

namespace llorch::cuda::emulation {

/// What one lane brings to a collective, and takes from it.
struct alignas(16) Exchange {
  std::array<unsigned char, 64> bytes;
};

[[nodiscard]] const char* name_of(Collective what);

/// Replaces what the lanes brought by the results.
void combine(Collective what, Exchange (&lanes)[32]);

}  // namespace llorch::cuda::emulation
