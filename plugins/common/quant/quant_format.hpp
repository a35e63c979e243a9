// What a code of each quantized type means. Plain data only: included by files compiled for one instruction set.
#pragma once

#include <cstdint>

#include "common/quant/weight_type.hpp"

namespace llorch::common {

/// Columns of the smallest blocks; activations are quantized in the same portions.
inline constexpr int kQuantColumns = 32;
/// Columns that share the f16 scale of a K-quant.
inline constexpr int kSuperColumns = 256;

/// What distinguishes the quantized types once they are taken apart. A weight is scale * (code - offset) + minimum.
struct QuantFormat {
  int bits;           ///< of a stored code
  int offset_shift;   ///< offset = 2^offset_shift; -1: no offset
  int part_columns;   ///< columns with one scale: 16 or 32
  bool super_scales;  ///< scale = f16 of kSuperColumns columns times an int8 of the part; else one f16 for 32 columns
  bool minimums;      ///< a minimum beside each scale, of the same form
  bool from_table;    ///< codes are indices into kIq4Codes

  /// Bits of a code once it is unpacked, its offset not yet subtracted.
  [[nodiscard]] constexpr int code_bits() const { return from_table ? 8 : bits; }
  [[nodiscard]] constexpr int parts() const { return kQuantColumns / part_columns; }
  /// Columns whose scales lie together.
  [[nodiscard]] constexpr int scale_columns() const { return super_scales ? kSuperColumns : kQuantColumns; }
};

/// All zero bits for types that are not quantized.
constexpr QuantFormat quant_format(WeightType type) {
  switch (type) {
    case WeightType::kQ4_0:
      return {4, 3, 32, false, false, false};
    case WeightType::kQ4_1:
      return {4, -1, 32, false, true, false};
    case WeightType::kQ5_0:
      return {5, 4, 32, false, false, false};
    case WeightType::kQ5_1:
      return {5, -1, 32, false, true, false};
    case WeightType::kQ8_0:
      return {8, 7, 32, false, false, false};
    case WeightType::kQ2_K:
      return {2, -1, 16, true, true, false};
    case WeightType::kQ3_K:
      return {3, 2, 16, true, false, false};
    case WeightType::kQ4_K:
      return {4, -1, 32, true, true, false};
    case WeightType::kQ5_K:
      return {5, -1, 32, true, true, false};
    case WeightType::kQ6_K:
      return {6, 5, 16, true, false, false};
    case WeightType::kIq4Nl:
      return {4, 7, 32, false, false, true};
    case WeightType::kIq4Xs:
      return {4, 7, 32, true, false, true};
    default:
      return {0, -1, 32, false, false, false};
  }
}

/// The 16 values of IQ4_NL and IQ4_XS, plus 128.
inline constexpr std::uint8_t kIq4Codes[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};

}  // namespace llorch::common
