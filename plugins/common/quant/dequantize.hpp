// Quantized rows as floats, bit-equal to the definition of each format.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/quant/weight_type.hpp"

namespace llorch::common {

/// out (n) = the n values stored at `blocks`; n is a multiple of the type's block. [any-thread]
void dequantize(WeightType type, const void* blocks, std::int64_t n, float* out);

/// Bytes that n values take in a file, n a multiple of the type's block; for f32, f16 and bf16 as well. [any-thread]
std::uint64_t stored_bytes(WeightType type, std::uint64_t n);

}  // namespace llorch::common
