#include "cuda/weights/repack.hpp"

#include <algorithm>
#include <cstring>

#include "common/quant/block_formats.hpp"

namespace llorch::cuda {
namespace {

using common::BlockFormat;
using common::BlockParts;
using common::QuantFormat;

constexpr std::int64_t kLanes = 32;

/// Lane of mma.sync that holds row `row` of a tile in its column group t.
constexpr std::int64_t lane_of(std::int64_t row, std::int64_t t) {
  return row % 8 * 4 + t;
}

void repack_floats(const unsigned char* rows, std::int64_t n_rows, std::int64_t n_cols, unsigned char* out) {
  constexpr std::int64_t kValues = 4;  // of a lane's 16 bytes
  for (std::int64_t r = 0; r < n_rows; ++r) {
    const unsigned char* from = rows + r * n_cols * 4;
    for (std::int64_t k = 0; k < n_cols; k += kValues) {
      const std::int64_t n = std::min(kValues, n_cols - k);
      std::memcpy(out + (k / kValues * kFloatGroupRows + r) * 16, from + k * 4, static_cast<std::size_t>(n) * 4);
    }
  }
}

void repack_halves(const unsigned char* rows, std::int64_t n_rows, std::int64_t n_cols, unsigned char* out) {
  for (std::int64_t r = 0; r < n_rows; ++r) {
    const unsigned char* from = rows + r * n_cols * 2;
    for (std::int64_t k = 0; k < n_cols; k += 2) {
      const std::int64_t chunk = k / kChunkColumns;
      const std::int64_t step = k % 8 / 4;
      const std::int64_t place = (chunk * 2 + step) * kLanes + lane_of(r, k % kChunkColumns / 8);
      const std::int64_t reg = k % 4 / 2 * 2 + r / 8;
      std::memcpy(out + place * 16 + reg * 4, from + k * 2,
                  static_cast<std::size_t>(std::min<std::int64_t>(2, n_cols - k)) * 2);
    }
  }
}

/// Sets `bits` bits of four columns (one in each byte of `codes`) of register j of a lane in a plane.
void put_codes(std::uint32_t codes, int bits, int chunk, std::int64_t lane, int j, unsigned char* plane) {
  std::int64_t at = 0;
  int shift = 0;
  switch (bits) {
    case 8:
      at = (chunk * kLanes + lane) * 16 + j * 4;
      break;
    case 4:
      at = (chunk / 2 * kLanes + lane) * 16 + j * 4;
      shift = chunk % 2 * 4;
      break;
    case 2:
      at = (chunk / 4 * kLanes + lane) * 16 + chunk % 4 * 4;
      shift = 2 * j;
      break;
    default:
      at = lane * 16 + chunk / 2 * 4;
      shift = chunk % 2 * 4 + j;
      break;
  }
  std::uint32_t word = 0;
  std::memcpy(&word, plane + at, sizeof word);
  word |= codes << shift;
  std::memcpy(plane + at, &word, sizeof word);
}

/// Indices into a table: four nibbles side by side, those of the even chunk below those of the odd one.
void put_indices(std::uint32_t codes, int chunk, std::int64_t lane, int j, unsigned char* plane) {
  const std::uint32_t nibbles = (codes & 0xfu) | (codes >> 4 & 0xf0u) | (codes >> 8 & 0xf00u) | (codes >> 12 & 0xf000u);
  const std::int64_t at = (chunk / 2 * kLanes + lane) * 16 + j * 4 + chunk % 2 * 2;
  const auto half = static_cast<std::uint16_t>(nibbles);
  std::memcpy(plane + at, &half, sizeof half);
}

std::uint32_t low_bits_of_bytes(std::uint32_t word, int from, int bits) {
  return word >> from & ((1u << bits) - 1) * 0x01010101u;
}

/// `n_columns` columns of a row, from chunk `first` of a block of 256 columns on.
void put_row_codes(const BlockParts& parts, const QuantFormat& format, const QuantLayout& layout, std::int64_t row,
                   int first, int n_columns, unsigned char* block) {
  const int offset = format.from_table || format.offset_shift < 0 ? 0 : 1 << format.offset_shift;
  for (int k = 0; k < n_columns; k += 4) {
    std::uint32_t codes = 0;
    for (int i = 0; i < 4; ++i)
      codes |= static_cast<std::uint32_t>((parts.codes[k + i] - offset) & 0xff) << (8 * i);
    const int chunk = first + k / static_cast<int>(kChunkColumns);
    const int column = k % static_cast<int>(kChunkColumns);
    const std::int64_t lane = lane_of(row, column % 16 / 4);
    const int j = column / 16 * 2 + static_cast<int>(row / 8);
    if (format.from_table) {
      put_indices(codes, chunk, lane, j, block);
      continue;
    }
    put_codes(low_bits_of_bytes(codes, 0, layout.low_bits), layout.low_bits, chunk, lane, j, block);
    if (layout.high_bits > 0) {
      put_codes(low_bits_of_bytes(codes, layout.low_bits, layout.high_bits), layout.high_bits, chunk, lane, j,
                block + layout.low_bytes);
    }
  }
}

void put_half(unsigned char* at, std::uint16_t half) {
  std::memcpy(at, &half, sizeof half);
}

void put_row_scales(const BlockParts& parts, const QuantFormat& format, const QuantLayout& layout, std::int64_t row,
                    int first, unsigned char* block) {
  const std::int64_t g = row % 8;
  const std::int64_t upper = row / 8;
  if (!format.super_scales) {
    const std::int64_t at = ((g * 2 + upper) * kBlockChunks + first) * 2;
    put_half(block + layout.scales_at + at, parts.scale);
    if (format.minimums) put_half(block + layout.minimums_at + at, parts.minimum);
    return;
  }
  const int n_parts = static_cast<int>(kBlockColumns) / format.part_columns;
  unsigned char* bytes = block + layout.scales_at + (g * 2 + upper) * layout.part_bytes;
  std::memcpy(bytes, parts.scales, static_cast<std::size_t>(n_parts));
  if (format.minimums) std::memcpy(bytes + n_parts, parts.minimums, static_cast<std::size_t>(n_parts));
  const std::int64_t halves = format.minimums ? 4 : 2;
  unsigned char* factors = block + layout.halves_at + g * halves * 2;
  put_half(factors + upper * 2, parts.scale);
  // What these types subtract is negated, so that the kernels add in every case.
  if (format.minimums) put_half(factors + 4 + upper * 2, parts.minimum ^ 0x8000u);
}

void repack_quantized(WeightType type, const unsigned char* rows, std::int64_t n_rows, std::int64_t n_cols,
                      unsigned char* out) {
  const BlockFormat& stored = *common::block_format(type);
  const QuantFormat format = common::quant_format(type);
  const QuantLayout layout = quant_layout(type);
  BlockParts parts{};
  for (std::int64_t r = 0; r < n_rows; ++r) {
    for (std::int64_t k = 0; k < n_cols; k += stored.columns, rows += stored.bytes) {
      stored.split(rows, parts);
      unsigned char* block = out + k / kBlockColumns * layout.block_bytes;
      const int first = static_cast<int>(k % kBlockColumns / kChunkColumns);
      put_row_codes(parts, format, layout, r, first, stored.columns, block);
      put_row_scales(parts, format, layout, r, first, block);
    }
  }
}

}  // namespace

bool is_device_type(WeightType type) {
  return !common::is_quantized(type) || common::block_format(type) != nullptr;
}

const char* device_type_names() {
  return "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS";
}

void repack_rows(WeightType type, const void* rows, std::int64_t n_rows, std::int64_t n_cols, void* out) {
  std::memset(out, 0, static_cast<std::size_t>(row_unit_bytes(type, n_cols)));
  const auto* from = static_cast<const unsigned char*>(rows);
  auto* to = static_cast<unsigned char*>(out);
  if (type == WeightType::kF32) {
    repack_floats(from, n_rows, n_cols, to);
  } else if (!common::is_quantized(type)) {
    repack_halves(from, n_rows, n_cols, to);
  } else {
    repack_quantized(type, from, n_rows, n_cols, to);
  }
}

}  // namespace llorch::cuda
