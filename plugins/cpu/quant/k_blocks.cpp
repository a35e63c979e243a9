// Blocks of 256 columns: one f16 scale (and one for minimums), a small integer factor for each 16 or 32 columns.
#include "cpu/quant/block_formats.hpp"

namespace llorch::cpu {
namespace {

constexpr int kColumns = 256;

/// Column k of the formats that lay four columns, 32 apart, into the 2-bit fields of a byte, 128 columns in 32 bytes.
std::uint8_t two_bits(const std::uint8_t* bytes, int k) {
  return static_cast<std::uint8_t>(bytes[k / 128 * 32 + k % 32] >> (k % 128 / 32 * 2) & 3);
}

/// Column k of the formats that lay two columns, 32 apart, into the nibbles of a byte, 64 columns in 32 bytes.
std::uint8_t nibble(const std::uint8_t* bytes, int k) {
  return static_cast<std::uint8_t>(bytes[k / 64 * 32 + k % 32] >> (k % 64 / 32 * 4) & 0x0f);
}

/// The eight 6-bit scales and minimums of Q4_K and Q5_K in 12 bytes: those of parts 0..3 are the low six bits of bytes
/// 0..3 and 4..7; those of parts 4..7 have their low four bits in bytes 8..11 and the upper two on top of the former.
void split_scales_and_minimums(const std::uint8_t* bytes, BlockParts& out) {
  for (int i = 0; i < 4; ++i) {
    out.scales[i] = static_cast<std::int8_t>(bytes[i] & 0x3f);
    out.minimums[i] = static_cast<std::int8_t>(bytes[4 + i] & 0x3f);
    out.scales[4 + i] = static_cast<std::int8_t>((bytes[8 + i] & 0x0f) | bytes[i] >> 6 << 4);
    out.minimums[4 + i] = static_cast<std::int8_t>(bytes[8 + i] >> 4 | bytes[4 + i] >> 6 << 4);
  }
}

}  // namespace

void split_q2_k(const std::uint8_t* block, BlockParts& out) {
  for (int i = 0; i < kMostBlockParts; ++i) {
    out.scales[i] = static_cast<std::int8_t>(block[i] & 0x0f);
    out.minimums[i] = static_cast<std::int8_t>(block[i] >> 4);
  }
  for (int k = 0; k < kColumns; ++k)
    out.codes[k] = two_bits(block + 16, k);
  out.scale = little_endian_half(block + 80);
  out.minimum = little_endian_half(block + 82);
}

void split_q3_k(const std::uint8_t* block, BlockParts& out) {
  const std::uint8_t* high_bits = block;
  for (int k = 0; k < kColumns; ++k)
    out.codes[k] = static_cast<std::uint8_t>(two_bits(block + 32, k) | (high_bits[k % 32] >> k / 32 & 1) << 2);
  // Sixteen 6-bit scales, stored plus 32: low nibbles in bytes 0..7, two columns of eight; upper bits in bytes 8..11.
  const std::uint8_t* scales = block + 96;
  for (int i = 0; i < kMostBlockParts; ++i) {
    const int low = scales[i % 8] >> (i / 8 * 4) & 0x0f;
    const int high = scales[8 + i % 4] >> (i / 4 * 2) & 3;
    out.scales[i] = static_cast<std::int8_t>((low | high << 4) - 32);
  }
  out.scale = little_endian_half(block + 108);
}

void split_q4_k(const std::uint8_t* block, BlockParts& out) {
  out.scale = little_endian_half(block);
  out.minimum = little_endian_half(block + 2);
  split_scales_and_minimums(block + 4, out);
  for (int k = 0; k < kColumns; ++k)
    out.codes[k] = nibble(block + 16, k);
}

void split_q5_k(const std::uint8_t* block, BlockParts& out) {
  out.scale = little_endian_half(block);
  out.minimum = little_endian_half(block + 2);
  split_scales_and_minimums(block + 4, out);
  const std::uint8_t* high_bits = block + 16;
  for (int k = 0; k < kColumns; ++k)
    out.codes[k] = static_cast<std::uint8_t>(nibble(block + 48, k) | (high_bits[k % 32] >> k / 32 & 1) << 4);
}

void split_q6_k(const std::uint8_t* block, BlockParts& out) {
  // Low nibbles: 128 columns in 64 bytes, two columns 64 apart in a byte.
  for (int k = 0; k < kColumns; ++k) {
    const int low = block[k / 128 * 64 + k % 64] >> (k % 128 / 64 * 4) & 0x0f;
    out.codes[k] = static_cast<std::uint8_t>(low | two_bits(block + 128, k) << 4);
  }
  for (int i = 0; i < kMostBlockParts; ++i)
    out.scales[i] = static_cast<std::int8_t>(block[192 + i]);
  out.scale = little_endian_half(block + 208);
}

void split_iq4_xs(const std::uint8_t* block, BlockParts& out) {
  // As IQ4_NL, with a 6-bit factor, stored plus 32, for each 32 columns: upper two bits in a 16-bit word, then nibbles.
  out.scale = little_endian_half(block);
  const int high_bits = little_endian_half(block + 2);
  for (int i = 0; i < 8; ++i) {
    const int low = block[4 + i / 2] >> (i % 2 * 4) & 0x0f;
    out.scales[i] = static_cast<std::int8_t>((low | (high_bits >> 2 * i & 3) << 4) - 32);
  }
  for (int k = 0; k < kColumns; ++k)
    out.codes[k] = static_cast<std::uint8_t>(block[8 + k / 32 * 16 + k % 16] >> (k % 32 / 16 * 4) & 0x0f);
}

}  // namespace llorch::cpu
