// Arithmetic on sizes that a model file decides.
#pragma once

#include <cstdint>

namespace llorch::common {

/// a * b, or a failure OUT_OF_MEMORY naming `what` when the product leaves 63 bits.
std::uint64_t checked_product(std::uint64_t a, std::uint64_t b, const char* what);

inline std::int64_t round_up(std::int64_t n, std::int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

}  // namespace llorch::common
