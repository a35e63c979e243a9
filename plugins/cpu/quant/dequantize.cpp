#include "cpu/quant/dequantize.hpp"

#include <llorch/plugin.hpp>

#include "cpu/kernels/packing.hpp"
#include "cpu/quant/block_formats.hpp"

namespace llorch::cpu {

void dequantize(WeightType type, const void* blocks, std::int64_t n, float* out) {
  const BlockFormat& format = *block_format(type);
  const PackedFormat packed = packed_format(type);
  const int offset = packed.offset_shift < 0 ? 0 : 1 << packed.offset_shift;
  const auto* block = static_cast<const std::uint8_t*>(blocks);
  BlockParts parts{};
  for (std::int64_t i = 0; i < n; i += format.columns, block += format.bytes) {
    format.split(block, parts);
    const float factor = abi::f16_to_f32(parts.scale);
    const float minimum_factor = abi::f16_to_f32(parts.minimum);
    for (int k = 0; k < format.columns; ++k) {
      const int part = k / packed.part_columns;
      const int code = packed.from_table ? kIq4Codes[parts.codes[k]] : parts.codes[k];
      const float scale = packed.super_scales ? factor * parts.scales[part] : factor;
      float value = scale * static_cast<float>(code - offset);
      if (packed.minimums && packed.super_scales) value = value - minimum_factor * parts.minimums[part];
      if (packed.minimums && !packed.super_scales) value = value + minimum_factor;
      out[i + k] = value;
    }
  }
}

std::uint64_t stored_bytes(WeightType type, std::uint64_t n) {
  if (type == WeightType::kF32) return n * 4;
  if (!is_quantized(type)) return n * 2;
  const BlockFormat& format = *block_format(type);
  return n / static_cast<std::uint64_t>(format.columns) * static_cast<std::uint64_t>(format.bytes);
}

}  // namespace llorch::cpu
