// Matrix products of the CPU plugins by themselves: weights of one type, rows of activations, one instruction set.
// The matrices of one layer of a TinyLlama-shaped model (2048, 5632) repeated until they exceed the caches.
#include <time.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "common/quant/block_formats.hpp"
#include "common/quant/dequantize.hpp"
#include "cpu/compute/compute.hpp"
#include "cpu/kernels/packing.hpp"
#include "cpu/kernels/select.hpp"
#include "cpu/quant/repack.hpp"

namespace {

using namespace llorch::common;  // NOLINT(google-build-using-namespace)
using namespace llorch::cpu;     // NOLINT(google-build-using-namespace)

/// Seconds of the clock, or of this thread's processor time, which other processes disturb less.
bool use_cpu_time = false;
double now() {
  if (use_cpu_time) {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Matrix {
  Buffer buffer;
  PackedView view{};
};

std::vector<std::uint8_t> ordinary_blocks(WeightType type, std::int64_t n, std::mt19937& random) {
  std::vector<std::uint8_t> blocks(stored_bytes(type, static_cast<std::uint64_t>(n)));
  if (!is_quantized(type)) {  // numbers around 2^-7
    const std::size_t element = type == WeightType::kF32 ? 4 : 2;
    const unsigned high = type == WeightType::kF16 ? 0x1c : 0x3c;
    for (std::size_t i = 0; i < blocks.size(); ++i)
      blocks[i] = static_cast<std::uint8_t>(i % element == element - 1 ? high : random() >> 13 & 0x7f);
    return blocks;
  }
  for (std::uint8_t& byte : blocks)
    byte = static_cast<std::uint8_t>(random() >> 13);
  // Wherever the f16 scales lie, an exponent in every second byte makes them ordinary numbers.
  const auto block = static_cast<std::size_t>(block_format(type)->bytes);
  for (std::size_t at = 0; at < blocks.size(); at += block) {
    for (const std::size_t offset : {std::size_t{0}, std::size_t{2}, block - 4, block - 2}) {
      if (offset + 1 < block) blocks[at + offset + 1] = 0x18;
    }
  }
  return blocks;
}

Matrix make_matrix(WeightType type, std::int64_t rows, std::int64_t columns, std::mt19937& random) {
  const std::int64_t groups = rows / kLanes;
  const auto group_bytes = is_quantized(type) ? static_cast<std::uint64_t>(packed_format(type).group_bytes(columns))
                                              : kLanes * stored_bytes(type, static_cast<std::uint64_t>(columns));
  Matrix matrix;
  matrix.buffer = Buffer(static_cast<std::uint64_t>(groups) * group_bytes, "matrix");
  auto* out = matrix.buffer.as<std::uint8_t>();
  const auto blocks = ordinary_blocks(type, kLanes * columns, random);
  if (is_quantized(type)) {
    repack_group(type, blocks.data(), kLanes, columns, out);
  } else {
    std::memcpy(out, blocks.data(), group_bytes);
  }
  for (std::int64_t g = 1; g < groups; ++g)
    std::memcpy(out + static_cast<std::uint64_t>(g) * group_bytes, out, group_bytes);
  matrix.view = {matrix.buffer.data(), type, rows, columns};
  return matrix;
}

const char* name_of(WeightType type) {
  switch (type) {
    case WeightType::kF32:
      return "F32";
    case WeightType::kF16:
      return "F16";
    case WeightType::kBf16:
      return "BF16";
    default:
      return block_format(type)->name;
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Matrix products of the CPU plugins, by weight type");
  std::vector<std::string> types = {"F16", "Q8_0", "Q4_0", "Q4_K", "Q6_K"};
  std::vector<std::int64_t> rows = {1, 512};
  int n_threads = 1;
  int repetitions = 7;
  int layers = 8;
  std::string set;
  app.add_option("types", types, "F32, F16, BF16, Q8_0, Q4_K, ... or all");
  app.add_option("-r,--rows", rows, "Rows of activations")->delimiter(',');
  app.add_option("-t,--threads", n_threads, "Threads");
  app.add_option("-n,--repetitions", repetitions, "Measurements of each");
  app.add_option("-l,--layers", layers, "Layers of weights");
  app.add_option("-i,--isa", set, "Instruction set; the best one by default");
  app.add_flag("--cpu-time", use_cpu_time, "Measure processor time, for one thread only");
  CLI11_PARSE(app, argc, argv);
  const KernelTable& kernels = select_kernels(set);
  std::mt19937 random(1);
  for (int i = 0; i <= static_cast<int>(WeightType::kIq4Xs); ++i) {
    const auto type = static_cast<WeightType>(i);
    if (types[0] != "all" && std::find(types.begin(), types.end(), name_of(type)) == types.end()) continue;
    constexpr std::int64_t kDim = 2048;
    constexpr std::int64_t kFfn = 5632;
    std::vector<Matrix> wide, narrow;  // gate and up; down, and what reads dim columns and is not so large
    for (int layer = 0; layer < layers; ++layer) {
      wide.push_back(make_matrix(type, 2 * kFfn + 2 * kDim + 512, kDim, random));
      narrow.push_back(make_matrix(type, kDim, kFfn, random));
    }
    double bytes = 0;
    double weights = 0;
    for (int layer = 0; layer < layers; ++layer) {
      const auto l = static_cast<std::size_t>(layer);
      for (const Matrix* m : {&wide[l], &narrow[l]}) {
        bytes += static_cast<double>(m->buffer.bytes());
        weights += static_cast<double>(m->view.n_rows) * static_cast<double>(m->view.n_cols);
      }
    }
    for (const std::int64_t n : rows) {
      Compute compute(kernels, n_threads, n, kFfn);
      RowBuffer x(n, kFfn, "x"), y(n, wide[0].view.n_rows, "y");
      std::normal_distribution<float> normal;
      for (std::int64_t t = 0; t < n; ++t)
        std::generate_n(x.rows(n).row(t), kFfn, [&] { return normal(random); });
      std::vector<double> seconds;
      for (int r = -1; r < repetitions; ++r) {
        const double start = now();
        for (std::size_t l = 0; l < wide.size(); ++l) {
          compute.project(x.rows(n).columns(0, kDim), wide[l].view, nullptr, y.rows(n));
          compute.project(x.rows(n), narrow[l].view, nullptr, y.rows(n));
        }
        if (r >= 0) seconds.push_back(now() - start);
      }
      std::sort(seconds.begin(), seconds.end());
      const double median = seconds[seconds.size() / 2];
      std::printf(
          "{\"isa\": \"%s\", \"type\": \"%s\", \"threads\": %d, \"rows\": %lld, \"gb_s\": %.2f, \"gb_s_best\": %.2f, "
          "\"gop_s\": %.1f, \"gop_s_best\": %.1f, \"bits_per_weight\": %.3f}\n",
          kernels.name, name_of(type), n_threads, static_cast<long long>(n), bytes / median / 1e9,
          bytes / seconds[0] / 1e9, 2 * weights * static_cast<double>(n) / median / 1e9,
          2 * weights * static_cast<double>(n) / seconds[0] / 1e9, 8 * bytes / weights);
      std::fflush(stdout);
    }
  }
  return 0;
}
