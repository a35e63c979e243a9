#include "common/quant/dequantize.hpp"

#include <llorch/plugin.hpp>

#include "common/quant/block_formats.hpp"
#include "common/quant/quant_format.hpp"

namespace llorch::common {

void dequantize(WeightType type, const void* blocks, std::int64_t n, float* out) {
  const BlockFormat& format = *block_format(type);
  const QuantFormat meaning = quant_format(type);
  const int offset = meaning.offset_shift < 0 ? 0 : 1 << meaning.offset_shift;
  const auto* block = static_cast<const std::uint8_t*>(blocks);
  BlockParts parts{};
  for (std::int64_t i = 0; i < n; i += format.columns, block += format.bytes) {
    format.split(block, parts);
    const float factor = abi::f16_to_f32(parts.scale);
    const float minimum_factor = abi::f16_to_f32(parts.minimum);
    for (int k = 0; k < format.columns; ++k) {
      const int part = k / meaning.part_columns;
      const int code = meaning.from_table ? kIq4Codes[parts.codes[k]] : parts.codes[k];
      const float scale = meaning.super_scales ? factor * parts.scales[part] : factor;
      float value = scale * static_cast<float>(code - offset);
      if (meaning.minimums && meaning.super_scales) value = value - minimum_factor * parts.minimums[part];
      if (meaning.minimums && !meaning.super_scales) value = value + minimum_factor;
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

}  // namespace llorch::common
