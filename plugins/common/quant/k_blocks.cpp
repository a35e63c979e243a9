// Blocks of 256 columns: one f16 scale (and one for minimums), a small integer factor for each 16 or 32 columns.
#include "common/quant/block_formats.hpp"

namespace llorch::common {
namespace {

constexpr int kColumns = 256;

/// Four columns, 32 apart, in the 2-bit fields of a byte; 128 columns in 32 bytes.
void split_two_bits(const std::uint8_t* bytes, std::uint8_t* codes) {
  for (int half = 0; half < 2; ++half) {
    for (int field = 0; field < 4; ++field) {
      for (int i = 0; i < 32; ++i)
        codes[half * 128 + field * 32 + i] = static_cast<std::uint8_t>(bytes[half * 32 + i] >> 2 * field & 3);
    }
  }
}

/// Two columns, `apart` apart, in the nibbles of a byte; 2 * apart columns in `apart` bytes.
void split_nibbles(const std::uint8_t* bytes, int apart, std::uint8_t* codes) {
  for (int k = 0; k < kColumns; k += 2 * apart, bytes += apart) {
    for (int i = 0; i < apart; ++i) {
      codes[k + i] = bytes[i] & 0x0f;
      codes[k + apart + i] = bytes[i] >> 4;
    }
  }
}

/// Adds a bit to each code: eight columns, 32 apart, in a byte.
void add_high_bits(const std::uint8_t* bytes, int to, std::uint8_t* codes) {
  for (int bit = 0; bit < 8; ++bit) {
    for (int i = 0; i < 32; ++i)
      codes[bit * 32 + i] = static_cast<std::uint8_t>(codes[bit * 32 + i] | (bytes[i] >> bit & 1) << to);
  }
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
  split_two_bits(block + 16, out.codes);
  out.scale = little_endian_half(block + 80);
  out.minimum = little_endian_half(block + 82);
}

void split_q3_k(const std::uint8_t* block, BlockParts& out) {
  split_two_bits(block + 32, out.codes);
  add_high_bits(block, 2, out.codes);
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
  split_nibbles(block + 16, 32, out.codes);
}

void split_q5_k(const std::uint8_t* block, BlockParts& out) {
  out.scale = little_endian_half(block);
  out.minimum = little_endian_half(block + 2);
  split_scales_and_minimums(block + 4, out);
  split_nibbles(block + 48, 32, out.codes);
  add_high_bits(block + 16, 4, out.codes);
}

void split_q6_k(const std::uint8_t* block, BlockParts& out) {
  std::uint8_t high[kColumns];
  split_nibbles(block, 64, out.codes);
  split_two_bits(block + 128, high);
  for (int k = 0; k < kColumns; ++k)
    out.codes[k] = static_cast<std::uint8_t>(out.codes[k] | high[k] << 4);
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
  split_nibbles(block + 8, 16, out.codes);
}

}  // namespace llorch::common
