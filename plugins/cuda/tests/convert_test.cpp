// Activations in the forms that products take, and RMS norm.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <string>

#include "kernel_support.hpp"

namespace llorch::cuda::testing {
namespace {

constexpr ActivationKind kKinds[] = {ActivationKind::kF32, ActivationKind::kF16, ActivationKind::kBf16,
                                     ActivationKind::kQ8};

double bfloat_value(std::uint16_t bits) {
  const std::uint32_t widened = static_cast<std::uint32_t>(bits) << 16;
  float value = 0;
  std::memcpy(&value, &widened, sizeof value);
  return value;
}

template <class T>
T read(const std::vector<unsigned char>& bytes, std::int64_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

/// Element (row, k) of converted activations, as activation_layout.hpp describes them.
double element(const std::vector<unsigned char>& bytes, const ActivationView& v, std::int64_t row, std::int64_t k) {
  const std::int64_t tile =
      factor_bytes(v.kind, v.capacity) + row / kActivationRows * activation_tile_bytes(v.kind, v.n_cols);
  const std::int64_t r = row % kActivationRows;
  switch (v.kind) {
    case ActivationKind::kF32:
      return read<float>(bytes, tile + (r * padded_columns(v.kind, v.n_cols) + k) * 4);
    case ActivationKind::kF16:
      return half_value(read<std::uint16_t>(bytes, tile + k / 32 * 512 + r * 64 + k % 32 * 2)) *
             static_cast<double>(read<float>(bytes, row * 4));
    case ActivationKind::kBf16: {
      const std::int64_t at = tile + k / 32 * 1024 + r * 64 + k % 32 * 2;
      return bfloat_value(read<std::uint16_t>(bytes, at)) + bfloat_value(read<std::uint16_t>(bytes, at + 512));
    }
    default: {
      const std::int64_t block = tile + k / 256 * kQ8Block;
      const std::int64_t chunk = k % 256 / 32;
      const std::int64_t at = chunk * 256 + r * 32 + k % 16 / 4 * 8 + k % 32 / 16 * 4 + k % 4;
      return static_cast<double>(read<std::int8_t>(bytes, block + at)) *
             static_cast<double>(read<float>(bytes, block + kQ8Scales + (chunk * 8 + r) * 4));
    }
  }
}

std::vector<double> normed(const float* x, const float* weight, double eps, std::int64_t n) {
  double squares = 0;
  for (std::int64_t i = 0; i < n; ++i)
    squares += static_cast<double>(x[i]) * x[i];
  const double scale = 1.0 / std::sqrt(squares / static_cast<double>(n) + eps);
  std::vector<double> out;
  for (std::int64_t i = 0; i < n; ++i)
    out.push_back(x[i] * scale * weight[i]);
  return out;
}

/// RMS norm in the order that docs/cuda_kernels.md fixes: 256 chains, lanes, warps.
std::vector<float> canonical_norm(const float* x, const float* weight, float eps, std::int64_t n) {
  std::vector<float> sums(256, 0.0f);
  for (std::int64_t k = 0; k < n; ++k) {
    float& sum = sums[static_cast<std::size_t>(k / 4 % 256)];
    sum = std::fma(x[k], x[k], sum);
  }
  for (std::size_t distance = 16; distance > 0; distance /= 2) {
    const std::vector<float> before = sums;
    for (std::size_t i = 0; i < sums.size(); ++i)
      sums[i] = before[i] + before[i ^ distance];
  }
  float sum = sums[0];
  for (std::size_t warp = 1; warp < 8; ++warp)
    sum = sum + sums[warp * 32];
  const float scale = 1.0f / std::sqrt(sum / static_cast<float>(n) + eps);
  std::vector<float> out;
  for (std::int64_t k = 0; k < n; ++k)
    out.push_back(x[k] * scale * weight[k]);
  return out;
}

/// The nearest number with a significand of `bits` bits, ties to even; `least`: the exponent of the smallest step.
double rounded(double v, int bits, int least) {
  if (v == 0.0) return v;
  const int step = std::max(std::ilogb(v) + 1 - bits, least);
  return std::ldexp(std::nearbyint(std::ldexp(v, -step)), step);
}

/// How many columns of a converted row, with those that fill its last unit, are not what the definition of their kind
/// makes of x (n), and how many scales and sums.
int wrong_in_row(const std::vector<unsigned char>& bytes, const ActivationView& v, std::int64_t row, const float* x) {
  const std::int64_t n = v.n_cols;
  const std::int64_t tile = factor_bytes(v.kind, v.capacity) + row / kActivationRows * activation_tile_bytes(v.kind, n);
  int wrong = 0;
  double inverse = 0.0;
  if (v.kind == ActivationKind::kF16) {
    float largest = 0.0f;
    for (std::int64_t k = 0; k < n; ++k)
      largest = std::max(largest, std::fabs(x[k]));
    inverse = std::ldexp(1.0, std::ilogb(largest) - 13);
    wrong += static_cast<double>(read<float>(bytes, row * 4)) == inverse ? 0 : 1;
  }
  for (std::int64_t k = 0; k < padded_columns(v.kind, n); ++k) {
    const float value = k < n ? x[k] : 0.0f;
    double expected = value;
    if (v.kind == ActivationKind::kF16) expected = rounded(value / inverse, 11, -24) * inverse;
    if (v.kind == ActivationKind::kBf16) {
      const double upper = rounded(value, 8, -133);
      expected = upper + rounded(value - upper, 8, -133);
    }
    if (v.kind == ActivationKind::kQ8) {
      if (k % 32 != 0) continue;  // by chunks
      const QuantizedChunk chunk = k < n ? quantize_chunk(x + k, std::min<std::int64_t>(32, n - k)) : QuantizedChunk{};
      const std::int64_t block = tile + k / 256 * kQ8Block;
      const std::int64_t in_block = k % 256 / 32;
      const std::int64_t at = (in_block * 8 + row % 8) * 4;
      int sums[2] = {0, 0};
      for (int i = 0; i < 32; ++i) {
        const std::int64_t code = block + in_block * 256 + row % 8 * 32 + i % 16 / 4 * 8 + i / 16 * 4 + i % 4;
        wrong += read<std::int8_t>(bytes, code) == chunk.codes[i] ? 0 : 1;
        sums[i / 16] += chunk.codes[i];
      }
      const auto is = [&](std::int64_t where, int sum) {
        return read<float>(bytes, block + where) == chunk.scale * static_cast<float>(sum);
      };
      wrong += is(kQ8Scales + at, 1) ? 0 : 1;
      wrong += is(kQ8Sums + at, sums[0] + sums[1]) ? 0 : 1;
      for (std::int64_t half = 0; half < 2; ++half)
        wrong += is(kQ8HalfSums + ((in_block * 2 + half) * 8 + row % 8) * 4, sums[half]) ? 0 : 1;
      continue;
    }
    wrong += element(bytes, v, row, k) == expected ? 0 : 1;
  }
  return wrong;
}

/// On both sides of what the kernels hold in registers, and of what they have for few and for many rows.
constexpr std::int64_t kWidths[] = {1,    4,    31,   32,   512,  513,  1023,  1024,  1025,  2048,  2080,
                                    4095, 4096, 4097, 8192, 8193, 8224, 11008, 16384, 16385, 16640, 20000};

}  // namespace

BOOST_AUTO_TEST_SUITE(conversion, *needs_device())

BOOST_AUTO_TEST_CASE(rows_of_every_width_have_the_bits_of_the_definition) {
  Stream stream(kDevice);
  for (const std::int64_t n_cols : kWidths) {
    const std::vector<float> weight = random_floats(static_cast<std::size_t>(n_cols), 4);
    DeviceMemory device_weight = on_device(stream, weight);
    device_weight.make_constant();
    for (const std::int64_t n_rows : {2, 9}) {
      std::vector<float> x = random_floats(static_cast<std::size_t>(n_rows * n_cols), 6, 1.5f);
      for (std::size_t i = 0; i < x.size(); i += 7)
        x[i] *= 0x1p-9f;
      const DeviceRows rows(stream, n_rows, n_cols, x);
      std::vector<float> normed_x;
      for (std::int64_t r = 0; r < n_rows; ++r) {
        const auto row = canonical_norm(&x[static_cast<std::size_t>(r * n_cols)], weight.data(), 1e-5f, n_cols);
        normed_x.insert(normed_x.end(), row.begin(), row.end());
      }
      for (const ActivationKind kind : kKinds) {
        for (const char* what : {"converted", "normed", "normed, floats too", "floats alone"}) {
          const std::string text = std::string(what) + ", kind " + std::to_string(static_cast<int>(kind)) + ", " +
                                   std::to_string(n_rows) + " rows, " + std::to_string(n_cols) + " columns";
          const bool norm = what[0] != 'c';
          const bool floats = std::strstr(what, "floats") != nullptr;
          const bool alone = what[0] == 'f';
          if (alone && kind != kKinds[0]) continue;
          const DeviceRows y(stream, n_rows, n_cols);
          const Activations out(stream, kind, n_rows, n_cols);
          ActivationView view = out.view();
          view.n_rows = n_rows;
          if (norm) {
            rms_norm(stream, rows.view(), device_weight.as<float>(), 1e-5f, floats ? y.view() : RowsView{},
                     alone ? nullptr : &view);
          } else {
            convert(stream, rows.view(), view);
          }
          const std::vector<float>& expected = norm ? normed_x : x;
          if (floats) BOOST_TEST(same_bits(expected.data(), y.get().data(), expected.size(), text));
          if (alone) continue;
          const auto bytes = on_host<unsigned char>(stream, out.memory(), out.memory().bytes());
          int wrong = 0;
          for (std::int64_t r = 0; r < n_rows; ++r)
            wrong += wrong_in_row(bytes, view, r, &expected[static_cast<std::size_t>(r * n_cols)]);
          BOOST_TEST(wrong == 0, text << ": " << wrong << " wrong");
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(beside_few_rows_what_products_read_is_zero) {
  Stream stream(kDevice);
  for (const std::int64_t n_rows : {1, 5, 7}) {
    for (const std::int64_t n_cols : {32, 4128}) {
      const DeviceRows rows(stream, n_rows, n_cols, random_floats(static_cast<std::size_t>(n_rows * n_cols), 8));
      const Activations out(stream, ActivationKind::kQ8, rows.view());
      const auto bytes = on_host<unsigned char>(stream, out.memory(), out.memory().bytes());
      int wrong = 0;
      for (std::int64_t block = 0; block < (n_cols + 255) / 256 * kQ8Block; block += kQ8Block) {
        for (std::int64_t at = kQ8Scales; at < kQ8Block; at += 4) {
          if (at / 4 % 8 >= n_rows) wrong += read<std::uint32_t>(bytes, block + at) == 0 ? 0 : 1;
        }
      }
      BOOST_TEST(wrong == 0, n_rows << " rows, " << n_cols << " columns: " << wrong << " scales and sums");
    }
  }
}

BOOST_AUTO_TEST_CASE(converted_rows_hold_the_values_within_their_precision_and_zeros_behind) {
  Stream stream(kDevice);
  for (const ActivationKind kind : kKinds) {
    // Of the value itself, and of the row's (Q8: the chunk's) largest magnitude.
    const double relative = kind == ActivationKind::kF16    ? std::ldexp(1.0, -11)
                            : kind == ActivationKind::kBf16 ? std::ldexp(1.0, -16)
                                                            : 0.0;
    for (const std::int64_t n_cols : {1, 31, 64, 151, 160, 1100}) {
      if (kind == ActivationKind::kQ8 && n_cols % 32 != 0) continue;
      for (const std::int64_t n_rows : {1, 9}) {
        std::vector<float> x = random_floats(static_cast<std::size_t>(n_rows * n_cols), 5, 3.0f);
        x[0] = 1e-3f;
        const DeviceRows rows(stream, n_rows, n_cols, x);
        const Activations out(stream, kind, rows.view());
        const auto bytes = on_host<unsigned char>(stream, out.memory(), out.memory().bytes());
        double worst = 0;
        // Of few rows, the others of the tile are not written but for their scales and sums.
        const std::int64_t written = n_rows <= kDecodeRows ? n_rows : (n_rows + 7) / 8 * 8;
        for (std::int64_t r = 0; r < written; ++r) {
          for (std::int64_t k = 0; k < padded_columns(kind, n_cols); ++k) {
            const bool real = r < n_rows && k < n_cols;
            const double found = element(bytes, out.view(), r, k);
            const double expected = real ? x[static_cast<std::size_t>(r * n_cols + k)] : 0.0;
            double allowed = relative * std::fabs(expected);
            if (kind == ActivationKind::kQ8 && real) {
              const QuantizedChunk chunk = quantize_chunk(&x[static_cast<std::size_t>(r * n_cols + k / 32 * 32)], 32);
              allowed = static_cast<double>(chunk.scale) * 0.5001;
            }
            worst = std::max(worst, std::fabs(found - expected) - allowed);
          }
        }
        BOOST_TEST(worst <= 0.0, "kind " << static_cast<int>(kind) << ", " << n_rows << " rows, " << n_cols
                                         << " columns: " << worst << " too far");
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(codes_scales_and_sums_are_those_of_the_definition) {
  Stream stream(kDevice);
  constexpr std::int64_t kCols = 288;
  std::vector<float> x = random_floats(2 * kCols, 9, 2.0f);
  std::fill_n(x.begin() + 32, 32, 0.0f);                    // a chunk of zeros
  std::fill_n(x.begin() + 64, 32, std::ldexp(1.0f, -110));  // too small to be anything
  for (int i = 0; i < 32; ++i)
    x[96 + static_cast<std::size_t>(i)] = static_cast<float>(i % 2 == 0 ? 127 : i) + (i % 3 == 0 ? 0.5f : 0.0f);
  const DeviceRows rows(stream, 2, kCols, x);
  const Activations out(stream, ActivationKind::kQ8, rows.view());
  const auto bytes = on_host<unsigned char>(stream, out.memory(), out.memory().bytes());
  for (std::int64_t r = 0; r < 2; ++r) {
    for (std::int64_t c = 0; c < kCols / 32; ++c) {
      const QuantizedChunk expected = quantize_chunk(&x[static_cast<std::size_t>(r * kCols + c * 32)], 32);
      const std::int64_t block = c / 8 * kQ8Block;
      const std::int64_t chunk = c % 8;
      int sums[2] = {0, 0};
      for (std::int64_t i = 0; i < 32; ++i) {
        const std::int64_t at = block + chunk * 256 + r * 32 + i % 16 / 4 * 8 + i / 16 * 4 + i % 4;
        BOOST_TEST(static_cast<int>(read<std::int8_t>(bytes, at)) == expected.codes[i], "row " << r << ", chunk " << c);
        sums[i / 16] += expected.codes[i];
      }
      BOOST_TEST(read<float>(bytes, block + kQ8Scales + (chunk * 8 + r) * 4) == expected.scale);
      BOOST_TEST(read<float>(bytes, block + kQ8Sums + (chunk * 8 + r) * 4) ==
                 expected.scale * static_cast<float>(sums[0] + sums[1]));
      for (std::int64_t half = 0; half < 2; ++half) {
        BOOST_TEST(read<float>(bytes, block + kQ8HalfSums + ((chunk * 2 + half) * 8 + r) * 4) ==
                   expected.scale * static_cast<float>(sums[half]));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_number_shows_in_its_chunk_alone) {
  Stream stream(kDevice);
  std::vector<float> x = random_floats(64, 1);
  x[3] = INFINITY;
  const DeviceRows rows(stream, 1, 64, x);
  const Activations out(stream, ActivationKind::kQ8, rows.view());
  const auto bytes = on_host<unsigned char>(stream, out.memory(), out.memory().bytes());
  BOOST_TEST(std::isnan(read<float>(bytes, kQ8Scales)));
  BOOST_TEST(!std::isnan(read<float>(bytes, kQ8Scales + 32)));
}

BOOST_AUTO_TEST_CASE(rms_norm_is_within_2e_6_of_double_and_converts_what_it_stores) {
  Stream stream(kDevice);
  for (const std::int64_t n_cols : {10, 64, 288, 1344, 4096}) {
    constexpr std::int64_t kRows = 3;
    const std::vector<float> x = random_floats(static_cast<std::size_t>(kRows * n_cols), 2, 1.5f);
    const std::vector<float> weight = random_floats(static_cast<std::size_t>(n_cols), 4);
    DeviceMemory device_weight = on_device(stream, weight);
    device_weight.make_constant();
    const DeviceRows rows(stream, kRows, n_cols, x);
    const DeviceRows y(stream, kRows, n_cols);
    rms_norm(stream, rows.view(), device_weight.as<float>(), 1e-5f, y.view(), nullptr);
    const std::vector<float> found = y.get();
    for (std::int64_t r = 0; r < kRows; ++r) {
      const auto expected = normed(&x[static_cast<std::size_t>(r * n_cols)], weight.data(), 1e-5, n_cols);
      double worst = 0;
      for (std::int64_t k = 0; k < n_cols; ++k) {
        const double e = expected[static_cast<std::size_t>(k)];
        worst = std::max(worst, std::fabs(found[static_cast<std::size_t>(r * n_cols + k)] - e) - 2e-6 * std::fabs(e));
      }
      BOOST_TEST(worst <= 0.0, n_cols << " columns, row " << r);
    }
    for (const ActivationKind kind : kKinds) {
      if (kind == ActivationKind::kQ8 && n_cols % 32 != 0) continue;
      const Activations apart(stream, kind, y.view());
      Activations fused(stream, kind, kRows, n_cols);
      ActivationView view = fused.view();
      view.n_rows = kRows;
      const DeviceRows in_place(stream, kRows, n_cols, x);
      rms_norm(stream, in_place.view(), device_weight.as<float>(), 1e-5f, in_place.view(), &view);
      BOOST_TEST((on_host<unsigned char>(stream, fused.memory(), fused.memory().bytes()) ==
                  on_host<unsigned char>(stream, apart.memory(), apart.memory().bytes())),
                 "kind " << static_cast<int>(kind) << ", " << n_cols << " columns");
      BOOST_TEST(same_bits(found.data(), in_place.get().data(), found.size(), "in place"));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace llorch::cuda::testing
