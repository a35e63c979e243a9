// Keys and values as a cache of each type stores them, made without the code under test.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "cpu/kernels/types.hpp"

namespace llorch::cpu::testing {

inline constexpr KvType kKvTypes[] = {KvType::kF32, KvType::kF16, KvType::kQ8_0};

/// f16 by its definition: 11 significant bits from 2^-14 on, multiples of 2^-24 below, ties to even.
inline std::uint16_t half_bits(double x) {
  const std::uint16_t sign = std::signbit(x) ? 0x8000 : 0;
  const double a = std::abs(x);
  if (std::isnan(a)) return static_cast<std::uint16_t>(sign | 0x7e00);
  if (a >= 65520.0) return static_cast<std::uint16_t>(sign | 0x7c00);
  const int exponent = a < std::ldexp(1.0, -14) ? -14 : std::ilogb(a);
  const double steps = std::nearbyint(a / std::ldexp(1.0, exponent - 10));
  return static_cast<std::uint16_t>(sign + (exponent + 14) * 1024 + static_cast<int>(steps));
}
inline double half_value(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const double fraction = bits & 1023;
  const double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
  if (exponent == 31) {
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  }
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024.0 + fraction, exponent - 25);
}

/// A part of a row in Q8_0 by its definition.
struct QuantizedPart {
  std::uint16_t scale = 0;
  std::vector<std::int8_t> codes;
  [[nodiscard]] double value(std::size_t i) const { return half_value(scale) * codes[i]; }
};
inline QuantizedPart quantized(const std::vector<float>& x) {
  QuantizedPart part;
  float largest = 0;
  bool finite = true;
  for (const float v : x) {
    finite = finite && std::isfinite(v);
    largest = std::max(largest, std::abs(v));
  }
  part.codes.assign(x.size(), 0);
  part.scale = finite ? half_bits(largest / 127.0f) : 0x7e00;
  if (part.scale >= 0x7c00) {
    part.scale = 0x7e00;
    return part;
  }
  if (largest == 0.0f) return part;
  if (part.scale == 0 || std::nearbyint(largest / half_value(part.scale)) > 127) ++part.scale;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double code = std::nearbyint(x[i] / static_cast<float>(half_value(part.scale)));
    BOOST_REQUIRE_LE(std::abs(code), 127);
    part.codes[i] = static_cast<std::int8_t>(code);
  }
  return part;
}

/// Blocks of one head's keys or values as types.hpp describes them. What nobody set is no number.
struct StoredBlocks {
  StoredBlocks() = default;
  StoredBlocks(KvType the_type, bool the_values, std::int64_t the_head_dim, std::int64_t n_blocks)
      : type(the_type), values(the_values), head_dim(the_head_dim) {
    const std::int64_t elements = (values ? (head_dim + kLanes - 1) / kLanes * kLanes : head_dim) * kLanes;
    const std::int64_t element = type == KvType::kF32 ? 4 : type == KvType::kF16 ? 2 : 1;
    scales_at = elements * element;
    block_bytes = scales_at + (type == KvType::kQ8_0 ? (head_dim + kKvPart - 1) / kKvPart * kLanes * 2 : 0);
    bytes.assign(static_cast<std::size_t>(n_blocks * block_bytes), 0x7f);
    for (std::size_t i = 0; type == KvType::kF32 && i < bytes.size(); i += 4)
      bytes[i + 2] = 0xff;  // 0x7fff7f7f
  }
  [[nodiscard]] std::int64_t element(std::int64_t slot, std::int64_t d) const {
    return values ? (d / kLanes * kLanes + slot) * kLanes + d % kLanes : d * kLanes + slot;
  }
  void put(std::int64_t block, std::int64_t at, const void* from, std::size_t n) {
    std::memcpy(bytes.data() + block * block_bytes + at, from, n);
  }
  /// Stores something near the row x (head_dim) and returns what it is exactly.
  std::vector<float> set_row(std::int64_t block, std::int64_t slot, std::vector<float> x) {
    for (std::int64_t d = 0; d < head_dim; d += kKvPart) {
      const std::int64_t n = std::min(kKvPart, head_dim - d);
      const QuantizedPart part = quantized({x.begin() + d, x.begin() + d + n});
      if (type == KvType::kQ8_0) put(block, scales_at + (d / kKvPart * kLanes + slot) * 2, &part.scale, 2);
      for (std::int64_t i = d; i < d + n; ++i) {
        float& value = x[static_cast<std::size_t>(i)];
        if (type == KvType::kF32) {
          put(block, element(slot, i) * 4, &value, 4);
        } else if (type == KvType::kF16) {
          const std::uint16_t half = half_bits(value);
          put(block, element(slot, i) * 2, &half, 2);
          value = static_cast<float>(half_value(half));
        } else {
          const auto at = static_cast<std::size_t>(i - d);
          put(block, element(slot, i), &part.codes[at], 1);
          value = static_cast<float>(part.value(at));
        }
      }
    }
    return x;
  }

  KvType type = KvType::kF32;
  bool values = false;
  std::int64_t head_dim = 0, scales_at = 0, block_bytes = 0;
  std::vector<unsigned char> bytes;
};

}  // namespace llorch::cpu::testing
