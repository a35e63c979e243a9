#include "cpu/quant/repack.hpp"

#include <cstring>

#include "cpu/kernels/packing.hpp"
#include "cpu/quant/block_formats.hpp"

namespace llorch::cpu {
namespace {

constexpr int kPlane = 4 * kLanes;  // bytes

/// Puts a code of `bits` bits into its place in the planes; packed_format() says which that is.
void put(std::uint8_t* planes, int bits, int quad, int byte, unsigned code) {
  const int per_plane = 8 / bits;  // quads that share a plane
  // Nibbles: quads q and q + 4; else neighbours.
  const int plane = bits == 4 ? quad % 4 : quad / per_plane;
  const int shift = bits == 4 ? quad / 4 * 4 : quad % per_plane * bits;
  std::uint8_t& target = planes[plane * kPlane + byte];
  target = static_cast<std::uint8_t>(target | code << shift);
}

/// The codes of kQuantColumns columns of one row.
void put_codes(const std::uint8_t* codes, int bits, int lane, std::uint8_t* out) {
  const int low_bits = bits == 3 ? 2 : bits == 5 || bits == 6 ? 4 : bits;
  const int high_bits = bits - low_bits;
  for (int k = 0; k < kQuantColumns; ++k) {
    const int byte = 4 * lane + k % 4;
    const unsigned code = codes[k];
    put(out, low_bits, k / 4, byte, code & ((1u << low_bits) - 1));
    if (high_bits != 0) put(out + kPlane * low_bits, high_bits, k / 4, byte, code >> low_bits);
  }
}

void put_half(std::uint8_t* out, int lane, unsigned bits) {
  const auto half = static_cast<std::uint16_t>(bits);
  std::memcpy(out + 2 * lane, &half, sizeof half);
}

/// Scale and minimum of one block of one row, with their factors.
void put_scales(const BlockParts& parts, const PackedFormat& format, int lane, std::uint8_t* out) {
  put_half(out, lane, parts.scale);
  std::uint8_t* next = out + 2 * kLanes;
  if (format.minimums) {
    // K-quants subtract their minimums: the sign moves into the factor, so that the kernels add in every case.
    put_half(next, lane, format.super_scales ? parts.minimum ^ 0x8000u : parts.minimum);
    next += 2 * kLanes;
  }
  if (!format.super_scales) return;
  const int n_parts = kSuperColumns / format.part_columns;
  for (int i = 0; i < n_parts; ++i) {
    next[i * kLanes + lane] = static_cast<std::uint8_t>(parts.scales[i]);
    if (format.minimums) next[(n_parts + i) * kLanes + lane] = static_cast<std::uint8_t>(parts.minimums[i]);
  }
}

}  // namespace

void repack_group(WeightType type, const void* rows, std::int64_t n_rows, std::int64_t n_cols, void* out) {
  const BlockFormat& block = *block_format(type);
  const PackedFormat format = packed_format(type);
  const std::int64_t n_blocks = n_cols / block.columns;
  const auto* from = static_cast<const std::uint8_t*>(rows);
  auto* codes = static_cast<std::uint8_t*>(out);
  std::uint8_t* scales = codes + n_cols / kQuantColumns * format.code_bytes();
  const int pieces = block.columns / kQuantColumns;
  BlockParts parts{};
  for (std::int64_t b = 0; b < n_blocks; ++b) {
    for (std::int64_t r = 0; r < n_rows; ++r) {
      block.split(from + (r * n_blocks + b) * block.bytes, parts);
      const int lane = static_cast<int>(r);
      for (int i = 0; i < pieces; ++i)
        put_codes(parts.codes + i * kQuantColumns, format.bits, lane, codes + (b * pieces + i) * format.code_bytes());
      put_scales(parts, format, lane, scales + b * format.scale_bytes());
    }
  }
}

}  // namespace llorch::cpu
