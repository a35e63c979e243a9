// Matrix products over quantized weights: exact integer sums over 16 or 32 columns, each followed by one fused
// multiply-add with the product of both scales, in ascending order (docs/kernels.md).
#pragma once

#include <cstdint>
#include <utility>

#include "cpu/kernels/packing.hpp"

namespace llorch::cpu::LLORCH_CPU_ISA {

/// Bytes ahead of the multiplication at which codes are asked for, of each of the row groups that are read at a time.
inline constexpr std::int64_t kPrefetchCodes = 4096;

/// The same of scales.
inline constexpr std::int64_t kPrefetchScales = 1024;

/// Codes of quad kQuad of a block of a packed matrix, as unsigned bytes.
template <WeightType kType, int kQuad>
LLORCH_INLINE Codes unpack(const std::uint8_t* block) {
  constexpr PackedFormat kFormat = packed_format(kType);
  constexpr int kPlane = 4 * kLanes;
  if constexpr (kFormat.bits == 8) {
    return load_codes(block + kQuad * kPlane);
  } else if constexpr (kFormat.bits >= 4) {
    const Codes low = move_bits<kQuad / 4 * 4, 0, 0x0f>(load_codes(block + kQuad % 4 * kPlane));
    if constexpr (kFormat.from_table) {
      return look_up(low);
    } else if constexpr (kFormat.bits == 5) {
      return low | move_bits<kQuad, 4, 1>(load_codes(block + 4 * kPlane));
    } else if constexpr (kFormat.bits == 6) {
      return low | move_bits<kQuad % 4 * 2, 4, 3>(load_codes(block + (4 + kQuad / 4) * kPlane));
    } else {
      return low;
    }
  } else {
    const Codes low = move_bits<kQuad % 4 * 2, 0, 3>(load_codes(block + kQuad / 4 * kPlane));
    if constexpr (kFormat.bits == 3) {
      return low | move_bits<kQuad, 2, 1>(load_codes(block + 2 * kPlane));
    } else {
      return low;
    }
  }
}

/// What one part of a block needs besides its codes.
struct PartScale {
  V16 scale, minimum;
};

/// Reads the scales of a row group, block after block.
template <WeightType kType>
class ScaleReader {
 public:
  static constexpr PackedFormat kFormat = packed_format(kType);
  ScaleReader() = default;
  explicit ScaleReader(const std::uint8_t* scales) : next_(scales) {}

  /// To be called before the first part of each block; `block` counts from the reader's start, which is the start of a
  /// scale_columns() unit.
  LLORCH_INLINE void enter(std::int64_t block) {
    if (kFormat.super_scales && block % (kSuperColumns / kQuantColumns) != 0) return;
    const auto* halves = reinterpret_cast<const F16*>(next_);
    scale_ = load(halves);
    if constexpr (kFormat.minimums) minimum_ = load(halves + kLanes);
    factors_ = next_ + kLanes * 2 * (kFormat.minimums ? 2 : 1);
    next_ += kFormat.scale_bytes();
    for (std::int64_t byte = 0; byte < kFormat.scale_bytes(); byte += 64)
      prefetch(next_ + kPrefetchScales + byte);
  }
  /// Of the next part.
  LLORCH_INLINE PartScale part() {
    if constexpr (!kFormat.super_scales) return {scale_, kFormat.minimums ? minimum_ : splat(0.0f)};
    constexpr int kParts = kSuperColumns / kFormat.part_columns;
    PartScale result = {mul(scale_, load_bytes(factors_)), splat(0.0f)};
    if constexpr (kFormat.minimums) result.minimum = mul(minimum_, load_bytes(factors_ + kParts * kLanes));
    factors_ += kLanes;
    return result;
  }

 private:
  const std::uint8_t* next_ = nullptr;
  const std::uint8_t* factors_ = nullptr;
  V16 scale_ = splat(0.0f);
  V16 minimum_ = splat(0.0f);
};

/// Adds one part of one block of T rows: quads kFirst.. of the block, codes given by code(quad).
template <class PartDot, int kShift, bool kMinimums, int kFirst, int T, class Code, std::size_t... kQuad>
LLORCH_INLINE void add_part(const ActivationBlock& x, std::int64_t rows, int sum_index, const PartScale& scale,
                            const Code& code, V16* acc, std::index_sequence<kQuad...>) {
  PartDot dots[T];
  LLORCH_UNROLL
  for (int t = 0; t < T; ++t)
    dots[t].template start<kShift>(x.negated_sums + sum_index * rows + t);
  const auto quad = [&]<int kLocal>() __attribute__((always_inline)) {
    const auto operand = PartDot::prepare(code.template operator()<kFirst + kLocal>());
    LLORCH_UNROLL
    for (int t = 0; t < T; ++t)
      dots[t].template step<kLocal>(operand, x.codes + t * kQuantColumns + (kFirst + kLocal) * 4);
  };
  (quad.template operator()<static_cast<int>(kQuad)>(), ...);
  LLORCH_UNROLL
  for (int t = 0; t < T; ++t) {
    const I16 sum = dots[t].template done<kShift>(x.negated_sums + sum_index * rows + t);
    acc[t] = fma(mul(scale.scale, splat(x.scales[t])), to_float(sum), acc[t]);
    if constexpr (kMinimums) acc[t] = fma(scale.minimum, splat(x.sums[sum_index * rows + t]), acc[t]);
  }
}

/// G neighbouring row groups, the first of them g, for T rows; codes come straight from memory. Several groups at a
/// time are several streams of memory, which a core reads faster than one. The groups take turns after each unit of
/// scale_columns().
template <WeightType kType, int T, int G>
void quant_direct_groups(const MatmulArgs& a, std::int64_t g) {
  constexpr PackedFormat kFormat = packed_format(kType);
  constexpr int kQuads = kFormat.part_columns / 4;
  using PartDot = Dot<kFormat.code_bits(), kQuads>;
  const std::int64_t n_blocks = a.weights.n_cols / kQuantColumns;
  const std::int64_t group_bytes = kFormat.group_bytes(a.weights.n_cols);
  const std::int64_t codes_bytes = n_blocks * kFormat.code_bytes();
  const auto* tile = static_cast<const std::int8_t*>(a.x);
  const std::uint8_t* group = static_cast<const std::uint8_t*>(a.weights.data) + g * group_bytes;
  V16 acc[G][T];
  LLORCH_UNROLL
  for (int i = 0; i < G; ++i) {
    LLORCH_UNROLL
    for (int t = 0; t < T; ++t)
      acc[i][t] = a.bias == nullptr ? splat(0.0f) : load(a.bias + (g + i) * kLanes);
  }
  const std::uint8_t* codes[G];
  ScaleReader<kType> scales[G];
  LLORCH_UNROLL
  for (int i = 0; i < G; ++i) {
    codes[i] = group + i * group_bytes;
    scales[i] = ScaleReader<kType>(codes[i] + codes_bytes);
  }
  for (std::int64_t b = 0; b < n_blocks; ++b) {
    const ActivationBlock x = ActivationBlock::at(tile, b, T);
    // The last blocks ask for the first ones of the next G groups.
    const std::int64_t ahead =
        b * kFormat.code_bytes() + kPrefetchCodes < codes_bytes ? 0 : G * group_bytes - codes_bytes;
    LLORCH_UNROLL
    for (int i = 0; i < G; ++i) {
      const auto code = [&]<int kQuad>() __attribute__((always_inline)) {
        return unpack<kType, kQuad>(codes[i]);
      };
      for (std::int64_t byte = 0; byte < kFormat.code_bytes(); byte += 64)
        prefetch(codes[i] + ahead + kPrefetchCodes + byte);
      scales[i].enter(b);
      constexpr auto kAll = std::make_index_sequence<kQuads>{};
      if constexpr (kFormat.parts() == 1) {
        add_part<PartDot, kFormat.offset_shift, kFormat.minimums, 0, T>(x, T, 0, scales[i].part(), code, acc[i], kAll);
      } else {
        add_part<PartDot, kFormat.offset_shift, kFormat.minimums, 0, T>(x, T, 1, scales[i].part(), code, acc[i], kAll);
        add_part<PartDot, kFormat.offset_shift, kFormat.minimums, 4, T>(x, T, 2, scales[i].part(), code, acc[i], kAll);
      }
      codes[i] += kFormat.code_bytes();
    }
  }
  LLORCH_UNROLL
  for (int i = 0; i < G; ++i) {
    LLORCH_UNROLL
    for (int t = 0; t < T; ++t)
      store(a.y + t * a.y_stride + (g + i) * kLanes, acc[i][t]);
  }
}

/// Row groups [group_begin, group_end) for T rows, codes straight from memory.
template <WeightType kType, int T>
void quant_direct(const MatmulArgs& a, std::int64_t group_begin, std::int64_t group_end) {
  constexpr int kStreams = quant_streams(T);
  std::int64_t g = group_begin;
  for (; g + kStreams <= group_end; g += kStreams)
    quant_direct_groups<kType, T, kStreams>(a, g);
  if constexpr (kStreams > 1) {
    for (; g < group_end; ++g)
      quant_direct_groups<kType, T, 1>(a, g);
  }
}

/// Columns of a panel of unpacked codes and widened scales: whole scale units, small enough for L1.
inline constexpr std::int64_t kQuantPanelColumns = 512;
inline constexpr std::int64_t kQuantPanelBlocks = kQuantPanelColumns / kQuantColumns;

/// Unpacked columns of one row group: codes (block, quad, 64 bytes), scales and minimums (block, part, kLanes).
struct QuantPanel {
  std::uint8_t* codes;
  float* scales;
  float* minimums;
  static constexpr std::int64_t kFloats = kQuantPanelBlocks * (8 * kLanes + 4 * kLanes);
  static QuantPanel at(float* memory, std::int64_t group) {
    float* floats = memory + group * kFloats;
    return {reinterpret_cast<std::uint8_t*>(floats), floats + kQuantPanelBlocks * 8 * kLanes,
            floats + kQuantPanelBlocks * 10 * kLanes};
  }
};
static_assert(kQuantGroups * QuantPanel::kFloats <= kPanelFloats);

template <WeightType kType, std::size_t... kQuad>
LLORCH_INLINE void unpack_block(const std::uint8_t* codes, std::uint8_t* out, std::index_sequence<kQuad...>) {
  (store_codes(out + kQuad * 64, unpack<kType, static_cast<int>(kQuad)>(codes)), ...);
}

/// Blocks [block, block + n) of row group g.
template <WeightType kType>
void unpack_panel(const PackedView& weights, std::int64_t g, std::int64_t block, std::int64_t n,
                  const QuantPanel& out) {
  constexpr PackedFormat kFormat = packed_format(kType);
  const std::int64_t n_blocks = weights.n_cols / kQuantColumns;
  const auto* group = static_cast<const std::uint8_t*>(weights.data) + g * kFormat.group_bytes(weights.n_cols);
  const std::uint8_t* codes = group + block * kFormat.code_bytes();
  ScaleReader<kType> scales(group + n_blocks * kFormat.code_bytes() +
                            block / (kFormat.scale_columns() / kQuantColumns) * kFormat.scale_bytes());
  for (std::int64_t b = 0; b < n; ++b) {
    unpack_block<kType>(codes + b * kFormat.code_bytes(), out.codes + b * 512, std::make_index_sequence<8>{});
    scales.enter(b);
    for (int p = 0; p < kFormat.parts(); ++p) {
      const PartScale part = scales.part();
      store(out.scales + (b * kFormat.parts() + p) * kLanes, part.scale);
      if constexpr (kFormat.minimums) store(out.minimums + (b * kFormat.parts() + p) * kLanes, part.minimum);
    }
  }
}

/// Continues the chains of T rows by G row groups over n blocks of panels. x: the first of them in a tile of `rows`
/// rows, T of which start at row `first`.
template <int kBits, int kShift, int kParts, bool kMinimums, int T, int G>
void quant_tile(float* panels, std::int64_t n, const std::int8_t* x, std::int64_t rows, std::int64_t first, Start start,
                float* y, std::int64_t y_stride) {
  constexpr int kQuads = 8 / kParts;
  using PartDot = Dot<kBits, kQuads>;
  V16 acc[G][T];
  LLORCH_UNROLL
  for (int g = 0; g < G; ++g) {
    LLORCH_UNROLL
    for (int t = 0; t < T; ++t)
      acc[g][t] = start.values == nullptr ? splat(0.0f) : load(start.values + t * start.stride + g * kLanes);
  }
  for (std::int64_t b = 0; b < n; ++b) {
    ActivationBlock block = ActivationBlock::at(x, b, rows);
    block.codes += first * kQuantColumns;
    block.scales += first;
    block.negated_sums += first;
    block.sums += first;
    const auto part = [&]<int kPart>() __attribute__((always_inline)) {
      constexpr int kSum = kParts == 1 ? 0 : 1 + kPart;
      PartDot dots[G][T];
      LLORCH_UNROLL
      for (int g = 0; g < G; ++g) {
        LLORCH_UNROLL
        for (int t = 0; t < T; ++t)
          dots[g][t].template start<kShift>(block.negated_sums + kSum * rows + t);
      }
      const auto quad = [&]<int kLocal>() __attribute__((always_inline)) {
        constexpr int kQuad = kPart * kQuads + kLocal;
        typename PartDot::Operand operand[G];
        LLORCH_UNROLL
        for (int g = 0; g < G; ++g)
          operand[g] = PartDot::prepare(load_codes(QuantPanel::at(panels, g).codes + b * 512 + kQuad * 64));
        LLORCH_UNROLL
        for (int t = 0; t < T; ++t) {
          LLORCH_UNROLL
          for (int g = 0; g < G; ++g)
            dots[g][t].template step<kLocal>(operand[g], block.codes + t * kQuantColumns + kQuad * 4);
        }
      };
      [&]<std::size_t... kLocal>(std::index_sequence<kLocal...>) __attribute__((always_inline)) {
        (quad.template operator()<static_cast<int>(kLocal)>(), ...);
      }
      (std::make_index_sequence<kQuads>{});
      LLORCH_UNROLL
      for (int g = 0; g < G; ++g) {
        const QuantPanel panel = QuantPanel::at(panels, g);
        const V16 scale = load(panel.scales + (b * kParts + kPart) * kLanes);
        LLORCH_UNROLL
        for (int t = 0; t < T; ++t) {
          const I16 sum = dots[g][t].template done<kShift>(block.negated_sums + kSum * rows + t);
          acc[g][t] = fma(mul(scale, splat(block.scales[t])), to_float(sum), acc[g][t]);
          if constexpr (kMinimums) {
            const V16 minimum = load(panel.minimums + (b * kParts + kPart) * kLanes);
            acc[g][t] = fma(minimum, splat(block.sums[kSum * rows + t]), acc[g][t]);
          }
        }
      }
    };
    part.template operator()<0>();
    if constexpr (kParts == 2) part.template operator()<1>();
  }
  LLORCH_UNROLL
  for (int g = 0; g < G; ++g) {
    LLORCH_UNROLL
    for (int t = 0; t < T; ++t)
      store(y + t * y_stride + g * kLanes, acc[g][t]);
  }
}

using QuantTileFunction = void (*)(float*, std::int64_t, const std::int8_t*, std::int64_t, std::int64_t, Start, float*,
                                   std::int64_t);

/// Tiles of 1..quant_rows(kBits) rows by G groups.
template <int kBits, int kShift, int kParts, bool kMinimums, int G>
struct QuantTiles {
  QuantTileFunction of_rows[quant_rows(kBits)];
  template <std::size_t... I>
  static constexpr QuantTiles make(std::index_sequence<I...>) {
    return {{&quant_tile<kBits, kShift, kParts, kMinimums, static_cast<int>(I) + 1, G>...}};
  }
};
template <int kBits, int kShift, int kParts, bool kMinimums, int G>
inline constexpr QuantTiles<kBits, kShift, kParts, kMinimums, G> kQuantTiles =
    QuantTiles<kBits, kShift, kParts, kMinimums, G>::make(std::make_index_sequence<quant_rows(kBits)>{});

/// Rows whose quantized activations, kQuantPanelColumns wide, stay in L2.
inline constexpr std::int64_t kQuantBlockTokens = 960;
static_assert(kQuantBlockTokens % kQuantTile == 0);

/// Many rows: panels are unpacked once for up to kQuantBlockTokens rows; the chains pause in y between panels.
template <WeightType kType>
void quant_blocked(const MatmulArgs& a, std::int64_t group_begin, std::int64_t group_end) {
  constexpr PackedFormat kFormat = packed_format(kType);
  constexpr int kBits = kFormat.code_bits();
  constexpr int kRows = quant_rows(kBits);
  const auto& wide = kQuantTiles<kBits, kFormat.offset_shift, kFormat.parts(), kFormat.minimums, kQuantGroups>;
  const auto& single = kQuantTiles<kBits, kFormat.offset_shift, kFormat.parts(), kFormat.minimums, 1>;
  const std::int64_t n_cols = a.weights.n_cols;
  const auto* tiles = static_cast<const std::int8_t*>(a.x);
  for (std::int64_t token_block = 0; token_block < a.n_tokens; token_block += kQuantBlockTokens) {
    const std::int64_t token_end =
        token_block + kQuantBlockTokens < a.n_tokens ? token_block + kQuantBlockTokens : a.n_tokens;
    for (std::int64_t k = 0; k < n_cols; k += kQuantPanelColumns) {
      const std::int64_t n = (k + kQuantPanelColumns < n_cols ? kQuantPanelColumns : n_cols - k) / kQuantColumns;
      for (std::int64_t g = group_begin; g < group_end;) {
        const int n_groups = g + kQuantGroups <= group_end ? kQuantGroups : 1;
        for (int i = 0; i < n_groups; ++i)
          unpack_panel<kType>(a.weights, g + i, k / kQuantColumns, n, QuantPanel::at(a.panel, i));
        for (std::int64_t t = token_block; t < token_end; t += kQuantTile) {
          const std::int64_t rows = rows_of_tile(t, a.n_tokens);
          const std::int8_t* x = tiles + quantized_offset(t, n_cols) + k / kQuantColumns * rows * kQuantRowBytes;
          for (std::int64_t first = 0; first < rows; first += kRows) {
            const std::int64_t count = first + kRows < rows ? kRows : rows - first;
            float* y = a.y + (t + first) * a.y_stride + g * kLanes;
            const Start start = k > 0               ? Start{y, a.y_stride}
                                : a.bias == nullptr ? Start{nullptr, 0}
                                                    : Start{a.bias + g * kLanes, 0};
            const auto tile = (n_groups == kQuantGroups ? wide.of_rows : single.of_rows)[count - 1];
            tile(a.panel, n, x, rows, first, start, y, a.y_stride);
          }
        }
        g += n_groups;
      }
    }
  }
}

/// f.template operator()<type>() for the quantized type.
template <class F>
inline void with_quant_type(WeightType type, F f) {
  switch (type) {
    case WeightType::kQ4_0:
      return f.template operator()<WeightType::kQ4_0>();
    case WeightType::kQ4_1:
      return f.template operator()<WeightType::kQ4_1>();
    case WeightType::kQ5_0:
      return f.template operator()<WeightType::kQ5_0>();
    case WeightType::kQ5_1:
      return f.template operator()<WeightType::kQ5_1>();
    case WeightType::kQ8_0:
      return f.template operator()<WeightType::kQ8_0>();
    case WeightType::kQ2_K:
      return f.template operator()<WeightType::kQ2_K>();
    case WeightType::kQ3_K:
      return f.template operator()<WeightType::kQ3_K>();
    case WeightType::kQ4_K:
      return f.template operator()<WeightType::kQ4_K>();
    case WeightType::kQ5_K:
      return f.template operator()<WeightType::kQ5_K>();
    case WeightType::kQ6_K:
      return f.template operator()<WeightType::kQ6_K>();
    case WeightType::kIq4Nl:
      return f.template operator()<WeightType::kIq4Nl>();
    case WeightType::kIq4Xs:
      return f.template operator()<WeightType::kIq4Xs>();
    default:
      return;
  }
}

}  // namespace llorch::cpu::LLORCH_CPU_ISA
