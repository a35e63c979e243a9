// The types in which keys and values are kept, and their names. Plain data and declarations only: included by files
// compiled for one instruction set.
#pragma once

#include <llorch/llorch_plugin.h>

#include <cstdint>

namespace llorch::common {

/// How keys or values are stored. kQ8_0: int8 codes with one f16 scale for kKvPart components, value = scale * code.
enum class KvType : std::uint32_t { kF32, kF16, kQ8_0 };
/// Components of a head that share a scale in a quantized cache; the last part of a head may be shorter.
inline constexpr std::int64_t kKvPart = 32;
/// Positions in a block of the cache.
inline constexpr std::int64_t kKvBlock = 16;

/// The KV type of an LLORCH_DTYPE_*, 0 being `otherwise`. UNSUPPORTED, naming `field`, for any other.
KvType kv_type_of(const char* field, std::uint32_t dtype, KvType otherwise);
/// The LLORCH_DTYPE_* of a type.
std::uint32_t dtype_of(KvType type);
/// "f32", "f16", "q8_0".
const char* kv_type_name(KvType type);

/// Bytes of an element; of kQ8_0 without its scales.
std::int64_t kv_element_bytes(KvType type);
/// Bytes of one row of one head outside of blocks: its floats, its halves, or part by part its f16 scale and its codes.
std::int64_t kv_row_bytes(KvType type, std::int64_t head_dim);

}  // namespace llorch::common
