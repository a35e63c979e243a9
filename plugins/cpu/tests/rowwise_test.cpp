#include <functional>
#include <limits>

#include "kernel_support.hpp"

namespace llorch::cpu::testing {
namespace {

constexpr std::int64_t kMostElements = 2 * kLanes + 1;

/// Runs a kernel over every length and misalignment and compares each table with the scalar one. `run` gets the table,
/// an input of n floats, an output of n floats, and n.
void compare_all_lengths(std::int64_t first_length,
                         const std::function<void(const KernelTable&, const float*, float*, std::int64_t)>& run) {
  for (const KernelTable* table : vector_kernels()) {
    for (std::int64_t n = first_length; n <= kMostElements; ++n) {
      for (std::size_t offset = 0; offset < 4; ++offset) {
        const auto size = static_cast<std::size_t>(n);
        const auto in = random_floats(size + offset, static_cast<unsigned>(n), 3.0f);
        std::vector<float> expected(size + offset + 1, 7.0f);
        std::vector<float> found = expected;
        run(scalar_kernels(), in.data() + offset, expected.data() + offset, n);
        run(*table, in.data() + offset, found.data() + offset, n);
        std::ostringstream where;
        where << table->name << ", n = " << n << ", offset " << offset;
        BOOST_TEST(same_bits(expected.data(), found.data(), expected.size(), where.str()));
      }
    }
  }
}

/// Worst error of a function against double over [low, high].
struct Error {
  double relative = 0, absolute = 0;
};
Error worst_error(void (*apply)(float*, std::int64_t), double (*exact)(double), float low, float high) {
  Error worst;
  constexpr int kSteps = 400001;
  std::vector<float> x(kSteps);
  for (int i = 0; i < kSteps; ++i)
    x[static_cast<std::size_t>(i)] = low + (high - low) * static_cast<float>(i) / (kSteps - 1);
  std::vector<float> y = x;
  apply(y.data(), kSteps);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double expected = exact(x[i]);
    const double error = std::abs(y[i] - expected);
    worst.absolute = std::max(worst.absolute, error);
    if (expected != 0) worst.relative = std::max(worst.relative, error / std::abs(expected));
  }
  return worst;
}

double exact_gelu_tanh(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
}
double exact_gelu_erf(double x) {
  return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
}
void apply_exp(float* x, std::int64_t n) {
  available_kernels().back()->exp(x, n, x);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(rowwise_kernels)

BOOST_AUTO_TEST_CASE(layer_norm_gives_the_bits_of_the_scalar_kernel_at_every_length_and_alignment) {
  const auto weight = random_floats(kMostElements, 1);
  const auto bias = random_floats(kMostElements, 2);
  compare_all_lengths(1, [&](const KernelTable& table, const float* x, float* y, std::int64_t n) {
    table.layer_norm(x, weight.data(), bias.data(), 1e-5f, n, y);
  });
}

BOOST_AUTO_TEST_CASE(rms_norm_gives_the_bits_of_the_scalar_kernel_at_every_length_and_alignment) {
  const auto weight = random_floats(kMostElements, 1);
  compare_all_lengths(1, [&](const KernelTable& table, const float* x, float* y, std::int64_t n) {
    table.rms_norm(x, weight.data(), 1e-5f, n, y);
  });
}

BOOST_AUTO_TEST_CASE(rope_gives_the_bits_of_the_scalar_kernel_at_every_even_length_and_alignment) {
  const auto cosines = random_floats(kMostElements, 1);
  const auto sines = random_floats(kMostElements, 2);
  compare_all_lengths(0, [&](const KernelTable& table, const float* x, float* y, std::int64_t n) {
    std::copy_n(x, n, y);
    table.rope(y, cosines.data(), sines.data(), n / 2 * 2);
  });
}

BOOST_AUTO_TEST_CASE(silu_gate_gives_the_bits_of_the_scalar_kernel_at_every_length_and_alignment) {
  const auto up = random_floats(kMostElements, 1);
  compare_all_lengths(0, [&](const KernelTable& table, const float* x, float* y, std::int64_t n) {
    std::copy_n(x, n, y);
    table.silu_gate(y, up.data(), n);
  });
}

BOOST_AUTO_TEST_CASE(elementwise_functions_give_the_bits_of_the_scalar_kernels_at_every_length_and_alignment) {
  compare_all_lengths(0,
                      [](const KernelTable& table, const float* x, float* y, std::int64_t n) { table.exp(x, n, y); });
  for (const auto function : {&KernelTable::gelu_tanh, &KernelTable::gelu_erf}) {
    compare_all_lengths(0, [&](const KernelTable& table, const float* x, float* y, std::int64_t n) {
      std::copy_n(x, n, y);
      (table.*function)(y, n);
    });
  }
  compare_all_lengths(0,
                      [](const KernelTable& table, const float* x, float* y, std::int64_t n) { table.add(y, x, n); });
}

BOOST_AUTO_TEST_CASE(layer_norm_matches_its_definition_in_double) {
  for (const std::int64_t n : {1, 2, 20, 60, 768}) {
    const auto size = static_cast<std::size_t>(n);
    const auto x = random_floats(size, 3, 2.0f);
    const auto weight = random_floats(size, 4);
    const auto bias = random_floats(size, 5);
    double mean = 0;
    for (const float v : x)
      mean += v / static_cast<double>(n);
    double variance = 0;
    for (const float v : x)
      variance += (v - mean) * (v - mean) / static_cast<double>(n);
    std::vector<float> y(size);
    available_kernels().back()->layer_norm(x.data(), weight.data(), bias.data(), 1e-5f, n, y.data());
    for (std::size_t i = 0; i < size; ++i) {
      const double expected = (x[i] - mean) / std::sqrt(variance + 1e-5) * weight[i] + bias[i];
      BOOST_TEST(std::abs(y[i] - expected) < 2e-6,
                 "n = " << n << ", i = " << i << ": expected " << expected << ", found " << y[i]);
    }
  }
}

BOOST_AUTO_TEST_CASE(rms_norm_matches_its_definition_in_double) {
  for (const std::int64_t n : {1, 2, 20, 60, 4096}) {
    const auto size = static_cast<std::size_t>(n);
    const auto x = random_floats(size, 3, 2.0f);
    const auto weight = random_floats(size, 4);
    double squares = 0;
    for (const float v : x)
      squares += static_cast<double>(v) * v / static_cast<double>(n);
    std::vector<float> y(size);
    available_kernels().back()->rms_norm(x.data(), weight.data(), 1e-5f, n, y.data());
    for (std::size_t i = 0; i < size; ++i) {
      const double expected = x[i] / std::sqrt(squares + 1e-5) * weight[i];
      BOOST_TEST(std::abs(y[i] - expected) < 2e-6,
                 "n = " << n << ", i = " << i << ": expected " << expected << ", found " << y[i]);
    }
  }
}

BOOST_AUTO_TEST_CASE(rope_turns_neighbouring_pairs) {
  for (const KernelTable* table : available_kernels()) {
    for (const std::size_t n : {2u, 20u, 48u}) {
      const auto x = random_floats(n, 6);
      auto y = x;
      std::vector<float> cosines(n);
      std::vector<float> sines(n);
      const auto angle = [](std::size_t i) { return 0.1 + 0.3 * static_cast<double>(i / 2); };
      for (std::size_t i = 0; i < n; ++i) {
        cosines[i] = static_cast<float>(std::cos(angle(i)));
        sines[i] = static_cast<float>(i % 2 == 0 ? -std::sin(angle(i)) : std::sin(angle(i)));
      }
      table->rope(y.data(), cosines.data(), sines.data(), static_cast<std::int64_t>(n));
      for (std::size_t i = 0; i < n; i += 2) {
        const double first = x[i] * std::cos(angle(i)) - x[i + 1] * std::sin(angle(i));
        const double second = x[i] * std::sin(angle(i)) + x[i + 1] * std::cos(angle(i));
        BOOST_TEST(std::abs(y[i] - first) < 1e-6, table->name << ", component " << i);
        BOOST_TEST(std::abs(y[i + 1] - second) < 1e-6, table->name << ", component " << i + 1);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(the_gate_stays_within_its_stated_error) {
  const auto gate_alone = [](float* x, std::int64_t n) {
    const std::vector<float> ones(static_cast<std::size_t>(n), 1.0f);
    available_kernels().back()->silu_gate(x, ones.data(), n);
  };
  const auto exact = [](double x) { return x / (1 + std::exp(-x)); };
  BOOST_TEST(worst_error(gate_alone, exact, -20.0f, 20.0f).relative < 4e-7);
  BOOST_TEST(worst_error(gate_alone, exact, 20.0f, 1e6f).relative < 2e-7);
  BOOST_TEST(worst_error(gate_alone, exact, -1e4f, -20.0f).absolute < 1e-7);
}

BOOST_AUTO_TEST_CASE(the_exponential_is_within_1e_7_relative) {
  BOOST_TEST(worst_error(
                 &apply_exp, [](double x) { return std::exp(x); }, -86.0f, 88.0f)
                 .relative < 1.3e-7);
}

BOOST_AUTO_TEST_CASE(both_gelus_stay_within_their_stated_error) {
  const KernelTable& table = *available_kernels().back();
  BOOST_TEST(worst_error(table.gelu_tanh, &exact_gelu_tanh, -6.0f, 6.0f).absolute < 6e-7);
  BOOST_TEST(worst_error(table.gelu_erf, &exact_gelu_erf, -6.0f, 6.0f).absolute < 6e-7);
  // Relative to x itself: large arguments come back as they are, or as nothing.
  BOOST_TEST(worst_error(table.gelu_tanh, &exact_gelu_tanh, 6.0f, 1e6f).relative < 2e-7);
  BOOST_TEST(worst_error(table.gelu_erf, &exact_gelu_erf, 6.0f, 1e6f).relative < 2e-7);
  BOOST_TEST(worst_error(table.gelu_tanh, &exact_gelu_tanh, -1e4f, -6.0f).absolute < 6e-7);
  BOOST_TEST(worst_error(table.gelu_erf, &exact_gelu_erf, -1e4f, -6.0f).absolute < 6e-7);
}

BOOST_AUTO_TEST_CASE(what_is_not_a_number_stays_none) {
  for (const KernelTable* table : available_kernels()) {
    float x = std::numeric_limits<float>::quiet_NaN();
    float y = 0;
    table->exp(&x, 1, &y);
    BOOST_TEST(std::isnan(y), table->name);
    y = x;
    table->gelu_tanh(&y, 1);
    BOOST_TEST(std::isnan(y), table->name);
    y = x;
    table->gelu_erf(&y, 1);
    BOOST_TEST(std::isnan(y), table->name);
    y = x;
    const float one = 1.0f;
    table->silu_gate(&y, &one, 1);
    BOOST_TEST(std::isnan(y), table->name);
  }
}

BOOST_AUTO_TEST_CASE(every_half_precision_pattern_widens_to_the_same_bits) {
  std::vector<std::uint16_t> patterns(65536);
  for (std::size_t i = 0; i < patterns.size(); ++i)
    patterns[i] = static_cast<std::uint16_t>(i);
  for (const WeightType type : {WeightType::kF16, WeightType::kBf16}) {
    std::vector<float> expected(patterns.size());
    scalar_kernels().widen(patterns.data(), type, 65536, expected.data());
    for (const KernelTable* table : vector_kernels()) {
      std::vector<float> found(patterns.size());
      table->widen(patterns.data(), type, 65536, found.data());
      BOOST_TEST(same_bits(expected.data(), found.data(), found.size(), table->name));
    }
  }
  float value = 0;
  const auto widen = [&](std::uint16_t bits) {
    scalar_kernels().widen(&bits, WeightType::kF16, 1, &value);
    return value;
  };
  BOOST_TEST(widen(0x3c00) == 1.0f);
  BOOST_TEST(widen(0xc000) == -2.0f);
  BOOST_TEST(widen(0x0001) == 0x1p-24f);
  BOOST_TEST(widen(0x7bff) == 65504.0f);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace llorch::cpu::testing
