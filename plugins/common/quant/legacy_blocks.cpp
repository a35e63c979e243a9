// Blocks of 32 columns with one f16 scale and, in the "_1" formats, one f16 minimum. Low nibbles are columns 0..15,
// high nibbles columns 16..31; a fifth bit comes from a 32-bit word, bit k for column k.
#include "common/quant/block_formats.hpp"

namespace llorch::common {
namespace {

constexpr int kColumns = 32;

void split_nibbles(const std::uint8_t* nibbles, std::uint8_t* codes) {
  for (int k = 0; k < kColumns / 2; ++k) {
    codes[k] = nibbles[k] & 0x0f;
    codes[k + kColumns / 2] = nibbles[k] >> 4;
  }
}

void add_fifth_bits(const std::uint8_t* bits, std::uint8_t* codes) {
  for (int k = 0; k < kColumns; ++k)
    codes[k] = static_cast<std::uint8_t>(codes[k] | (bits[k / 8] >> (k % 8) & 1) << 4);
}

}  // namespace

void split_q4_0(const std::uint8_t* block, BlockParts& out) {
  out.scale = little_endian_half(block);
  split_nibbles(block + 2, out.codes);
}

void split_q4_1(const std::uint8_t* block, BlockParts& out) {
  out.scale = little_endian_half(block);
  out.minimum = little_endian_half(block + 2);
  split_nibbles(block + 4, out.codes);
}

void split_q5_0(const std::uint8_t* block, BlockParts& out) {
  out.scale = little_endian_half(block);
  split_nibbles(block + 6, out.codes);
  add_fifth_bits(block + 2, out.codes);
}

void split_q5_1(const std::uint8_t* block, BlockParts& out) {
  out.scale = little_endian_half(block);
  out.minimum = little_endian_half(block + 2);
  split_nibbles(block + 8, out.codes);
  add_fifth_bits(block + 4, out.codes);
}

void split_q8_0(const std::uint8_t* block, BlockParts& out) {
  out.scale = little_endian_half(block);
  for (int k = 0; k < kColumns; ++k)
    out.codes[k] = block[2 + k] ^ 0x80;  // signed to signed + 128
}

void split_iq4_nl(const std::uint8_t* block, BlockParts& out) {
  out.scale = little_endian_half(block);
  split_nibbles(block + 2, out.codes);
}

}  // namespace llorch::common
