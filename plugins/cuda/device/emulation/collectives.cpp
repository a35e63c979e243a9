#include "cuda/device/emulation/collectives.hpp"

#include <llorch/plugin.hpp>

namespace llorch::cuda::emulation {
namespace {

constexpr int kRows = 16, kColumns = 8;

template <class T>
T take(const Exchange& lane) {
  static_assert(sizeof(T) <= sizeof lane.bytes);
  T out;
  std::memcpy(&out, lane.bytes.data(), sizeof out);
  return out;
}
template <class T>
void give(Exchange& lane, const T& value) {
  std::memcpy(lane.bytes.data(), &value, sizeof value);
}

struct Shuffled {
  std::uint32_t value, mask_or_lane;
};

void shuffle_lanes(Exchange (&lanes)[32], bool exclusive_or) {
  std::uint32_t values[32];
  for (int i = 0; i < 32; ++i)
    values[i] = take<Shuffled>(lanes[i]).value;
  for (std::uint32_t i = 0; i < 32; ++i) {
    const std::uint32_t wanted = take<Shuffled>(lanes[i]).mask_or_lane;
    give(lanes[i], values[(exclusive_or ? i ^ wanted : wanted) % 32]);
  }
}

void load_matrices(Exchange (&lanes)[32]) {
  std::uint32_t rows[32][4];
  for (int i = 0; i < 32; ++i) {
    const auto* row = take<const void*>(lanes[i]);
    check_aligned(row, 16);
    std::memcpy(rows[i], row, sizeof rows[i]);
  }
  for (int i = 0; i < 32; ++i) {
    std::uint32_t r[4];
    for (int m = 0; m < 4; ++m)
      r[m] = rows[m * 8 + i / 4][i % 4];
    give(lanes[i], r);
  }
}

float value_of_half(std::uint32_t half) {
  return half_to_float(static_cast<std::uint16_t>(half));
}
float value_of_bfloat(std::uint32_t half) {
  return float_of(half << 16u);
}

/// d = a b + d. Products of halves are exact in double and so, nearly always, is their sum; it is rounded once.
template <float (*kValue)(std::uint32_t)>
void mma_floats(Exchange (&lanes)[32]) {
  constexpr int kDepth = 16;
  float a[kRows][kDepth], b[kDepth][kColumns];
  for (int lane = 0; lane < 32; ++lane) {
    const auto brought = take<MmaOperands<float>>(lanes[lane]);
    const int g = lane / 4, k = lane % 4 * 2;
    for (int i = 0; i < 4; ++i) {
      float* two = &a[g + i % 2 * 8][k + i / 2 * 8];
      two[0] = kValue(brought.a[i] & 0xffffu);
      two[1] = kValue(brought.a[i] >> 16u);
    }
    for (int i = 0; i < 2; ++i) {
      b[k + i * 8][g] = kValue(brought.b[i] & 0xffffu);
      b[k + i * 8 + 1][g] = kValue(brought.b[i] >> 16u);
    }
  }
  double sums[kRows][kColumns] = {};
  for (int row = 0; row < kRows; ++row) {
    for (int k = 0; k < kDepth; ++k) {
      const double left = a[row][k];
      for (int column = 0; column < kColumns; ++column)
        sums[row][column] += left * static_cast<double>(b[k][column]);
    }
  }
  for (int lane = 0; lane < 32; ++lane) {
    auto result = take<MmaOperands<float>>(lanes[lane]);
    for (int i = 0; i < 4; ++i) {
      const double sum = sums[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
      result.d[i] = static_cast<float>(static_cast<double>(result.d[i]) + sum);
    }
    give(lanes[lane], result);
  }
}

/// The same in integers; kDepth is 32 or 16, four of them in each register.
template <int kDepth>
void mma_bytes(Exchange (&lanes)[32]) {
  std::int16_t a[kRows][kDepth], b[kColumns][kDepth];
  const auto unpack = [](std::uint32_t four, std::int16_t* out) {
    for (unsigned i = 0; i < 4; ++i)
      out[i] = static_cast<std::int8_t>(four >> (8 * i));  // NOLINT(bugprone-signed-char-misuse): signed is meant
  };
  for (int lane = 0; lane < 32; ++lane) {
    const auto brought = take<MmaOperands<std::int32_t>>(lanes[lane]);
    const int g = lane / 4, k = lane % 4 * 4;
    for (int i = 0; i < kDepth / 8; ++i)
      unpack(brought.a[i], &a[g + i % 2 * 8][k + i / 2 * 16]);
    for (int i = 0; i < kDepth / 16; ++i)
      unpack(brought.b[i], &b[g][k + i * 16]);
  }
  std::int32_t sums[kRows][kColumns];
  for (int row = 0; row < kRows; ++row) {
    for (int column = 0; column < kColumns; ++column) {
      std::int32_t sum = 0;
      for (int k = 0; k < kDepth; ++k)
        sum += a[row][k] * b[column][k];
      sums[row][column] = sum;
    }
  }
  for (int lane = 0; lane < 32; ++lane) {
    auto result = take<MmaOperands<std::int32_t>>(lanes[lane]);
    for (int i = 0; i < 4; ++i) {
      // Wraps around like the device.
      result.d[i] =
          static_cast<std::int32_t>(static_cast<std::uint32_t>(result.d[i]) +
                                    static_cast<std::uint32_t>(sums[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2]));
    }
    give(lanes[lane], result);
  }
}

}  // namespace

const char* name_of(Collective what) {
  switch (what) {
    case Collective::kNone:
      return "nothing";
    case Collective::kEnd:
      return "the kernel's end";
    case Collective::kBlockSync:
      return "block_sync";
    case Collective::kWaitForPrevious:
      return "wait_for_previous";
    case Collective::kWarpSync:
      return "warp_sync";
    case Collective::kShuffle:
      return "shuffle";
    case Collective::kShuffleXor:
      return "shuffle_xor";
    case Collective::kLoadMatrix:
      return "load_matrix_x4";
    case Collective::kMmaF16:
      return "mma_f16";
    case Collective::kMmaBf16:
      return "mma_bf16";
    case Collective::kMmaS8:
      return "mma_s8";
    case Collective::kMmaS8K16:
      return "mma_s8_k16";
  }
  return "?";
}

void combine(Collective what, Exchange (&lanes)[32]) {
  switch (what) {
    case Collective::kNone:
    case Collective::kEnd:
    case Collective::kBlockSync:
    case Collective::kWaitForPrevious:
    case Collective::kWarpSync:
      return;
    case Collective::kShuffle:
      return shuffle_lanes(lanes, false);
    case Collective::kShuffleXor:
      return shuffle_lanes(lanes, true);
    case Collective::kLoadMatrix:
      return load_matrices(lanes);
    case Collective::kMmaF16:
      return mma_floats<value_of_half>(lanes);
    case Collective::kMmaBf16:
      return mma_floats<value_of_bfloat>(lanes);
    case Collective::kMmaS8:
      return mma_bytes<32>(lanes);
    case Collective::kMmaS8K16:
      return mma_bytes<16>(lanes);
  }
}

std::uint16_t half_of_float(float v) {
  const std::uint32_t bits = bits_of(v);
  const auto sign = static_cast<std::uint16_t>((bits >> 16u) & 0x8000u);
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return 0x7fff;  // what cvt.rn.f16.f32 makes of every NaN
  if (magnitude >= 0x477ff000u) return static_cast<std::uint16_t>(sign | 0x7c00u);  // 65520 and more
  if (magnitude < 0x38800000u) {
    // Subnormal: adding 0.5 leaves, rounded to nearest even, the multiple of 2^-24 in the low bits.
    return static_cast<std::uint16_t>(sign | (bits_of(float_of(magnitude) + 0.5f) & 0xffffu));
  }
  const std::uint32_t odd = (magnitude >> 13u) & 1u;
  return static_cast<std::uint16_t>(sign | ((magnitude - (112u << 23u) + 0xfffu + odd) >> 13u));
}

}  // namespace llorch::cuda::emulation
