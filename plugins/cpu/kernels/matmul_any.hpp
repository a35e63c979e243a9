// Products and rows of matrices of every type.
#pragma once

#include <cstdint>
#include <utility>

#include "cpu/kernels/packing.hpp"

namespace llorch::cpu::LLORCH_CPU_ISA {

template <WeightType kType, std::size_t... I>
void quant_few(const MatmulArgs& a, std::int64_t group_begin, std::int64_t group_end, std::index_sequence<I...>) {
  using Function = void (*)(const MatmulArgs&, std::int64_t, std::int64_t);
  static constexpr Function kDirect[] = {&quant_direct<kType, static_cast<int>(I) + 1>...};
  kDirect[a.n_tokens - 1](a, group_begin, group_end);
}

template <WeightType kType>
void matmul_quantized(const MatmulArgs& a, std::int64_t group_begin, std::int64_t group_end) {
  constexpr int kRows = quant_rows(packed_format(kType).code_bits());
  if (a.n_tokens <= kRows) {
    quant_few<kType>(a, group_begin, group_end, std::make_index_sequence<kRows>{});
  } else {
    quant_many<kType>(a, group_begin, group_end);
  }
}

/// Products for every type of weights.
inline void matmul_any(const MatmulArgs& a, std::int64_t group_begin, std::int64_t group_end) {
  if (!is_quantized(a.weights.type)) return matmul(a, group_begin, group_end);
  with_quant_type(a.weights.type, [&]<WeightType kType>() { matmul_quantized<kType>(a, group_begin, group_end); });
}

/// One row of a quantized matrix: scale * (code - offset) + minimum.
template <WeightType kType>
void gather_quantized(const PackedView& weights, std::int64_t row, float* out) {
  constexpr PackedFormat kFormat = packed_format(kType);
  const std::int64_t n_blocks = weights.n_cols / kQuantColumns;
  const auto lane = static_cast<int>(row % kLanes);
  const auto* codes =
      static_cast<const std::uint8_t*>(weights.data) + row / kLanes * kFormat.group_bytes(weights.n_cols);
  ScaleReader<kType> scales(codes + n_blocks * kFormat.code_bytes());
  for (std::int64_t b = 0; b < n_blocks; ++b) {
    std::uint8_t unpacked[512];
    unpack_block<kType>(codes + b * kFormat.code_bytes(), unpacked, std::make_index_sequence<8>{});
    scales.enter(b);
    for (int p = 0; p < kFormat.parts(); ++p) {
      const PartScale part = scales.part();
      float scale[kLanes];
      float minimum[kLanes];
      store(scale, part.scale);
      store(minimum, part.minimum);
      for (int i = p * kFormat.part_columns; i < (p + 1) * kFormat.part_columns; ++i) {
        constexpr int kOffset =
            kFormat.offset_shift < 0 ? 0 : 1 << (kFormat.offset_shift < 0 ? 0 : kFormat.offset_shift);
        const int code = unpacked[i / 4 * 64 + lane * 4 + i % 4] - kOffset;
        const float value = scale[lane] * static_cast<float>(code);
        out[b * kQuantColumns + i] = kFormat.minimums ? value + minimum[lane] : value;
      }
    }
  }
}

inline void gather_row_any(const PackedView& weights, std::int64_t row, float* out) {
  if (!is_quantized(weights.type)) return gather_row(weights, row, out);
  with_quant_type(weights.type, [&]<WeightType kType>() { gather_quantized<kType>(weights, row, out); });
}

}  // namespace llorch::cpu::LLORCH_CPU_ISA
