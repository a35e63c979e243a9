// Integer operations of the quantized products in plain C++: what the other sets must equal.
#pragma once

#include <cstdint>
#include <cstring>

#include "cpu/kernels/packing.hpp"

namespace llorch::cpu::LLORCH_CPU_ISA {

/// Token rows of a tile of quantized activations.
inline constexpr int kQuantTile = 4;
/// Whether tiles are laid out for kQuantTile rows even where there are fewer, unless all rows are one tile of at most
/// kQuantTileRows.
inline constexpr bool kPaddedTiles = false;
inline constexpr int kQuantTileRows = 4;
/// Token rows (for codes of so many bits) and row groups whose sums are held in registers at a time.
constexpr int quant_rows(int) {
  return 4;
}
inline constexpr int kQuantGroups = 1;
/// Row groups that are read at a time where n_rows rows are multiplied straight from memory.
constexpr int quant_streams(int) {
  return 1;
}

/// A 32-bit integer for each row of a group.
struct I16 {
  std::int32_t lane[kLanes];
};
/// Codes of four neighbouring columns for each row of a group: byte 4 * row + column.
struct Codes {
  std::uint8_t byte[4 * kLanes];
};

template <class F>
inline Codes each_code(F f) {
  Codes r;
  for (int i = 0; i < 4 * kLanes; ++i)
    r.byte[i] = static_cast<std::uint8_t>(f(i));
  return r;
}
inline Codes load_codes(const std::uint8_t* p) {
  Codes r;
  std::memcpy(r.byte, p, sizeof r.byte);
  return r;
}
inline void store_codes(std::uint8_t* p, Codes c) {
  std::memcpy(p, c.byte, sizeof c.byte);
}
/// The bits of `mask` << kTo that lay kFrom - kTo bits higher.
template <int kFrom, int kTo, int kMask>
inline Codes move_bits(Codes c) {
  return each_code([&](int i) { return ((c.byte[i] << 8 >> kFrom << kTo) >> 8) & (kMask << kTo); });
}
inline Codes operator|(Codes a, Codes b) {
  return each_code([&](int i) { return a.byte[i] | b.byte[i]; });
}
/// kIq4Codes[code].
inline Codes look_up(Codes c) {
  return each_code([&](int i) { return kIq4Codes[c.byte[i]]; });
}
inline V16 to_float(I16 a) {
  return each_lane([&](int i) { return static_cast<float>(a.lane[i]); });
}
/// Sixteen int8 as floats.
inline V16 load_bytes(const std::uint8_t* p) {
  return each_lane([&](int i) { return static_cast<float>(static_cast<std::int8_t>(p[i])); });
}

/// The sum over kQuads quads of (code - offset) * activation, exact. kBits: of the codes.
template <int kBits, int kQuads>
struct Dot {
  using Operand = Codes;
  static Operand prepare(Codes c) { return c; }
  I16 sum;

  /// negated_sum, the same here and in done(): minus the sum of the activations; offset = 2^kShift, none where kShift <
  /// 0.
  template <int kShift>
  void start(const std::int32_t* negated_sum) {
    for (std::int32_t& lane : sum.lane)
      lane = kShift < 0 ? 0 : *negated_sum * (1 << (kShift < 0 ? 0 : kShift));
  }
  /// x: the four activations of quad kQuad. All quads are added, in ascending order.
  template <int kQuad>
  void step(const Operand& c, const std::int8_t* x) {
    for (int i = 0; i < 4 * kLanes; ++i)
      sum.lane[i / 4] += c.byte[i] * x[i % 4];
  }
  template <int kShift>
  I16 done(const std::int32_t*) const {
    return sum;
  }
};

/// Quantizes kQuantColumns values: codes, their sums over each half, and the scale (see quantize_rows.hpp).
inline float quantize_block(const float* x, std::int8_t* codes, std::int32_t* sums) {
  std::uint32_t largest = 0;
  for (int i = 0; i < kQuantColumns; ++i) {
    const std::uint32_t magnitude = bits_of(x[i]) & 0x7fffffffu;
    largest = largest > magnitude ? largest : magnitude;
  }
  const float inverse = inverse_of_largest(largest);
  for (int i = 0; i < kQuantColumns; ++i) {
    const float scaled = is_quantizable(largest) ? x[i] * inverse : 0.0f;
    // Adding 1.5 * 2^23 rounds to the nearest integer, ties to even.
    const float rounded = (scaled + 0x1.8p+23f) - 0x1.8p+23f;
    codes[i] = static_cast<std::int8_t>(rounded);
    sums[i / 16] += codes[i];
  }
  return scale_of_largest(largest);
}

}  // namespace llorch::cpu::LLORCH_CPU_ISA
