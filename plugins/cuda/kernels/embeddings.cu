// Rows of a weight matrix as floats, out of the layout that products read.
#include "common/quant/quant_format.hpp"
#include "cuda/device/launch.hpp"
#include "cuda/kernels/device_code.hpp"
#include "cuda/kernels/kernels.hpp"

namespace llorch::cuda {
namespace {

constexpr int kThreads = 256;

struct Table {
  const unsigned char* data;
  WeightType type;
  std::int64_t unit_bytes;  // of row_unit() rows
  common::QuantFormat format;
  QuantLayout layout;
  RowsView out;
  std::uint8_t iq4_codes[16];
};

/// Bits of the code of register j (byte `byte`) of a chunk in a plane.
__device__ __forceinline__ std::uint32_t code_bits(const unsigned char* plane, int bits, int chunk, int lane, int j,
                                                   int byte) {
  int at = 0;
  int shift = 0;
  switch (bits) {
    case 8:
      at = (chunk * 32 + lane) * 16 + j * 4;
      break;
    case 4:
      at = (chunk / 2 * 32 + lane) * 16 + j * 4;
      shift = chunk % 2 * 4;
      break;
    case 2:
      at = (chunk / 4 * 32 + lane) * 16 + chunk % 4 * 4;
      shift = 2 * j;
      break;
    default:
      at = lane * 16 + chunk / 2 * 4;
      shift = chunk % 2 * 4 + j;
      break;
  }
  return static_cast<std::uint32_t>(plane[at + byte]) >> shift & ((1u << bits) - 1u);
}

__device__ __forceinline__ float half_at(const unsigned char* p) {
  return half_to_float(*reinterpret_cast<const std::uint16_t*>(p));
}

__device__ float quantized_value(const Table& t, const unsigned char* tile, int row, std::int64_t k) {
  const common::QuantFormat& f = t.format;
  const QuantLayout& l = t.layout;
  const unsigned char* block = tile + k / kBlockColumns * l.block_bytes;
  const int column = static_cast<int>(k % kBlockColumns);
  const int chunk = column / 32;
  const int within = column % 32;
  const int lane = row % 8 * 4 + within % 16 / 4;
  const int j = within / 16 * 2 + row / 8;
  std::uint32_t bits = 0;
  if (f.from_table) {
    const int at = (chunk / 2 * 32 + lane) * 16 + j * 4 + chunk % 2 * 2;
    bits = *reinterpret_cast<const std::uint16_t*>(block + at) >> (within % 4 * 4) & 0xfu;
  } else {
    bits = code_bits(block, l.low_bits, chunk, lane, j, within % 4);
  }
  if (l.high_bits > 0) bits |= code_bits(block + l.low_bytes, l.high_bits, chunk, lane, j, within % 4) << l.low_bits;
  std::int32_t code = static_cast<std::int32_t>(bits);
  if (f.from_table) {
    code = static_cast<std::int32_t>(t.iq4_codes[bits]) - 128;
  } else if (f.offset_shift >= 0) {
    code = static_cast<std::int32_t>(bits << (32 - f.bits)) >> (32 - f.bits);  // stored signed
  }
  const int side = row % 8 * 2 + row / 8;
  if (!f.super_scales) {
    const int at = (side * 8 + chunk) * 2;
    const float value = half_at(block + l.scales_at + at) * static_cast<float>(code);
    return f.minimums ? value + half_at(block + l.minimums_at + at) : value;
  }
  const unsigned char* bytes = block + l.scales_at + side * l.part_bytes;
  const int part = column / f.part_columns;
  const unsigned char* halves = block + l.halves_at + row % 8 * (f.minimums ? 8 : 4) + row / 8 * 2;
  const float scale = half_at(halves) * static_cast<float>(static_cast<std::int8_t>(bytes[part]));
  const float value = scale * static_cast<float>(code);
  if (!f.minimums) return value;
  const int n_parts = 256 / f.part_columns;
  return value + half_at(halves + 4) * static_cast<float>(static_cast<std::int8_t>(bytes[n_parts + part]));
}

__global__ void __launch_bounds__(kThreads) gather(Table t, const std::int32_t* ids) {
  wait_its_turn();
  const auto k = static_cast<std::int64_t>(blockIdx.y) * kThreads + threadIdx.x;
  if (k >= t.out.n_cols) return;
  const std::int64_t id = ids[blockIdx.x];
  const bool floats = t.type == WeightType::kF32;
  const std::int64_t rows = floats ? kFloatGroupRows : kTileRows;
  const unsigned char* unit = t.data + id / rows * t.unit_bytes;
  const int row = static_cast<int>(id % rows);
  float value = 0.0f;
  if (floats) {
    value = reinterpret_cast<const float*>(unit)[(k / 4 * 32 + row) * 4 + k % 4];
  } else if (t.format.bits == 0) {
    const int reg = static_cast<int>(k % 4 / 2) * 2 + row / 8;
    const std::int64_t place = (k / 32 * 2 + k % 8 / 4) * 32 + row % 8 * 4 + k % 32 / 8;
    const std::uint16_t bits = reinterpret_cast<const std::uint16_t*>(unit)[place * 8 + reg * 2 + k % 2];
    value = t.type == WeightType::kBf16 ? bfloat_to_float(bits) : half_to_float(bits);
  } else {
    value = quantized_value(t, unit, row, k);
  }
  t.out.data[blockIdx.x * t.out.stride + k] = value;
}

}  // namespace

void gather_embeddings(Stream& stream, const MatrixView& table, const std::int32_t* ids, const RowsView& x) {
  if (x.n_rows == 0) return;
  Table t{};
  t.data = static_cast<const unsigned char*>(table.data);
  t.type = table.type;
  t.unit_bytes = row_unit_bytes(table.type, table.n_cols);
  t.format = common::quant_format(table.type);
  t.layout = quant_layout(table.type);
  t.out = x;
  for (int i = 0; i < 16; ++i)
    t.iq4_codes[i] = common::kIq4Codes[i];
  const Dim grid = {static_cast<unsigned>(x.n_rows), static_cast<unsigned>((x.n_cols + kThreads - 1) / kThreads)};
  launch(stream, "gather_embeddings", gather, grid, {kThreads}, 0, t, ids);
}

}  // namespace llorch::cuda
