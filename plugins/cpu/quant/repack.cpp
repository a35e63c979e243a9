#include "cpu/quant/repack.hpp"

#include <cstring>

#include "common/quant/block_formats.hpp"
#include "cpu/kernels/packing.hpp"

namespace llorch::cpu {
namespace {

using common::BlockParts;
using common::little_endian_half;

constexpr int kPlane = 4 * kLanes;  // bytes

using Quad = std::uint32_t;  // the codes of four columns of one row, as bytes
constexpr int kQuads = kQuantColumns / 4;

/// The same byte in all four.
constexpr Quad repeat(unsigned byte) {
  return byte * 0x01010101u;
}

/// Writes `bits` bits of eight quads of one row, from bit `from` of each code on, into the planes that hold them. No
/// bit leaves its byte: what a shift brings in from the neighbour is masked away.
inline void put_planes(const Quad* quads, int bits, int from, int lane, std::uint8_t* planes) {
  const int per_plane = 8 / bits;  // quads that share a plane
  const Quad mask = repeat((1u << bits) - 1);
  for (int plane = 0; plane < bits; ++plane) {
    Quad together = 0;
    for (int i = 0; i < per_plane; ++i) {
      // Nibbles: quads q and q + 4; else neighbours.
      const int quad = bits == 4 ? plane + 4 * i : plane * per_plane + i;
      together |= (quads[quad] >> from & mask) << i * bits;
    }
    std::memcpy(planes + plane * kPlane + 4 * lane, &together, sizeof together);
  }
}

/// Bits of a code that lie in the first planes; the others lie in planes of their own.
constexpr int low_bits(int bits) {
  if (bits == 3) return 2;
  return bits == 5 || bits == 6 ? 4 : bits;
}

/// The codes of kQuantColumns columns of one row.
template <int kBits>
void put_codes_of(const Quad* quads, int lane, std::uint8_t* out) {
  constexpr int kLow = low_bits(kBits);
  put_planes(quads, kLow, 0, lane, out);
  if constexpr (kBits > kLow) put_planes(quads, kBits - kLow, kLow, lane, out + kPlane * kLow);
}

void put_codes(const std::uint8_t* codes, int bits, int lane, std::uint8_t* out) {
  Quad quads[kQuads];
  std::memcpy(quads, codes, sizeof quads);
  switch (bits) {
    case 2:
      return put_codes_of<2>(quads, lane, out);
    case 3:
      return put_codes_of<3>(quads, lane, out);
    case 4:
      return put_codes_of<4>(quads, lane, out);
    case 5:
      return put_codes_of<5>(quads, lane, out);
    case 6:
      return put_codes_of<6>(quads, lane, out);
    default:
      return put_codes_of<8>(quads, lane, out);
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

/// Where the words of a block already are the words of planes: of nibbles, byte k holds columns k and k + 16, so word q
/// holds quads q and q + 4; of bytes, word q holds quad q. `flipped` bits turn signed codes into codes plus an offset.
struct WordBlocks {
  int words;  // of a block
  int at;     // byte of the first one
  Quad flipped;
};
constexpr WordBlocks word_blocks(WeightType type) {
  switch (type) {
    case WeightType::kQ4_0:
    case WeightType::kIq4Nl:
      return {4, 2, 0};
    case WeightType::kQ4_1:
      return {4, 4, 0};
    case WeightType::kQ8_0:
      return {8, 2, repeat(0x80)};
    default:
      return {0, 0, 0};
  }
}

/// A row group of blocks of 32 columns whose words need no more than a new place.
template <WeightType kType>
void repack_words(const std::uint8_t* from, std::int64_t n_rows, std::int64_t n_blocks, int block_bytes,
                  std::uint8_t* codes, std::uint8_t* scales) {
  constexpr WordBlocks kWords = word_blocks(kType);
  constexpr PackedFormat kFormat = packed_format(kType);
  static_assert(kWords.at == (kFormat.minimums ? 4 : 2) && !kFormat.super_scales);
  for (std::int64_t b = 0; b < n_blocks; ++b) {
    for (std::int64_t r = 0; r < n_rows; ++r) {
      const std::uint8_t* block = from + (r * n_blocks + b) * block_bytes;
      for (int i = 0; i < kWords.words; ++i) {
        Quad word = 0;
        std::memcpy(&word, block + kWords.at + 4 * i, sizeof word);
        word ^= kWords.flipped;
        std::memcpy(codes + i * kPlane + 4 * r, &word, sizeof word);
      }
      put_half(scales, static_cast<int>(r), little_endian_half(block));
      if constexpr (kFormat.minimums) put_half(scales + 2 * kLanes, static_cast<int>(r), little_endian_half(block + 2));
    }
    codes += kFormat.code_bytes();
    scales += kFormat.scale_bytes();
  }
}

}  // namespace

void repack_group(WeightType type, const void* rows, std::int64_t n_rows, std::int64_t n_cols, void* out) {
  const common::BlockFormat& block = *common::block_format(type);
  const PackedFormat format = packed_format(type);
  const std::int64_t n_blocks = n_cols / block.columns;
  const auto* from = static_cast<const std::uint8_t*>(rows);
  auto* codes = static_cast<std::uint8_t*>(out);
  std::uint8_t* scales = codes + n_cols / kQuantColumns * format.code_bytes();
  switch (type) {
    case WeightType::kQ4_0:
      return repack_words<WeightType::kQ4_0>(from, n_rows, n_blocks, block.bytes, codes, scales);
    case WeightType::kQ4_1:
      return repack_words<WeightType::kQ4_1>(from, n_rows, n_blocks, block.bytes, codes, scales);
    case WeightType::kQ8_0:
      return repack_words<WeightType::kQ8_0>(from, n_rows, n_blocks, block.bytes, codes, scales);
    case WeightType::kIq4Nl:
      return repack_words<WeightType::kIq4Nl>(from, n_rows, n_blocks, block.bytes, codes, scales);
    default:
      break;
  }
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
