// Products of every type of matrix: against double, and the same bits however the rows come.
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "kernel_support.hpp"

namespace llorch::cuda::testing {
namespace {

constexpr std::int64_t kMostRows = 64;

/// Of the sum of magnitudes of what is added up: f32 sums; activations in f16; activations as two bf16.
double tolerance(ActivationKind kind) {
  switch (kind) {
    case ActivationKind::kF16:
      return std::ldexp(1.0, -11) + 2e-6;
    case ActivationKind::kBf16:
      return std::ldexp(1.0, -16) + 2e-6;
    default:
      return 2e-6;
  }
}

struct Shape {
  std::int64_t n_rows, n_cols;
};
std::vector<Shape> shapes_of(WeightType type) {
  switch (columns_of(type)) {
    case 1:
      return {{211, 151}, {16, 32}, {33, 640}, {5, 2100}};
    case 32:
      return {{211, 160}, {16, 32}, {33, 544}, {5, 2144}};
    default:
      return {{211, 256}, {33, 768}, {5, 2304}};
  }
}

std::vector<float> product(Stream& stream, const Matrix& matrix, const std::vector<float>& x, std::int64_t n_rows) {
  const DeviceRows rows(stream, n_rows, matrix.view().n_cols, x);
  const Activations activations(stream, activation_kind(matrix.view().type), rows.view());
  const DeviceRows y(stream, n_rows, matrix.view().n_rows);
  matmul(stream, activations.view(), {{matrix.view(), y.view()}}, Store::kReplace);
  return y.get();
}

std::string text_of(WeightType type, const Shape& shape, std::int64_t n) {
  return std::string(name_of(type)) + " (" + std::to_string(shape.n_rows) + ", " + std::to_string(shape.n_cols) +
         "), " + std::to_string(n) + " rows";
}

std::vector<float> first_rows(const std::vector<float>& x, std::int64_t n, std::int64_t n_cols) {
  return {x.begin(), x.begin() + n * n_cols};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(products, *needs_device())

BOOST_AUTO_TEST_CASE(products_are_those_of_double_within_the_precision_of_the_activations) {
  Stream stream(kDevice);
  for (const WeightType type : kTypes) {
    const ActivationKind kind = activation_kind(type);
    for (const Shape& shape : shapes_of(type)) {
      const Matrix matrix(stream, type, shape.n_rows, shape.n_cols, 11);
      const std::vector<float> x = random_floats(static_cast<std::size_t>(kMostRows * shape.n_cols), 12);
      for (const std::int64_t n : {3, 20}) {
        const std::vector<float> found = product(stream, matrix, x, n);
        double worst = 0;
        for (std::int64_t t = 0; t < n; ++t) {
          const auto taken = taken_values(kind, &x[static_cast<std::size_t>(t * shape.n_cols)], shape.n_cols);
          for (std::int64_t r = 0; r < shape.n_rows; ++r) {
            double sum = 0;
            double magnitudes = 0;
            for (std::int64_t k = 0; k < shape.n_cols; ++k) {
              const double one = matrix.row(r)[k] * taken[static_cast<std::size_t>(k)];
              sum += one;
              magnitudes += std::fabs(one);
            }
            const double error = std::fabs(found[static_cast<std::size_t>(t * shape.n_rows + r)] - sum);
            // Not above it, and a number.
            worst = !(error <= tolerance(kind) * magnitudes) ? std::max(1.0, error / magnitudes) : worst;
          }
        }
        BOOST_TEST(worst == 0.0, text_of(type, shape, n));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_row_has_the_same_bits_whatever_the_number_of_rows) {
  Stream stream(kDevice);
  for (const WeightType type : kTypes) {
    std::vector<Shape> shapes = {shapes_of(type).back()};
    std::vector<std::int64_t> counts = {1, 9};
    if (is_frequent(type)) {
      shapes.push_back(shapes_of(type)[0]);
      counts = {1, 2, 7, 8, 9, 33};
    }
    for (const Shape& s : shapes) {
      const Matrix matrix(stream, type, s.n_rows, s.n_cols, 21);
      const std::vector<float> x = random_floats(static_cast<std::size_t>(kMostRows * s.n_cols), 22);
      const std::vector<float> all = product(stream, matrix, x, kMostRows);
      for (const std::int64_t n : counts) {
        const std::vector<float> found = product(stream, matrix, first_rows(x, n, s.n_cols), n);
        BOOST_TEST(same_bits(all.data(), found.data(), found.size(), text_of(type, s, n)));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(the_widest_tiles_give_the_bits_of_the_others) {
  Stream stream(kDevice);
  for (const WeightType type : kTypes) {
    // Of types that have the widest tiles more units of columns than any device has stages for, so that each is used
    // again.
    const bool wide = is_frequent(type) || type == WeightType::kQ5_K;
    const Shape s = {20, wide ? 1536 : columns_of(type) == 256 ? 512 : 288};
    constexpr std::int64_t kMany = 133;
    const Matrix matrix(stream, type, s.n_rows, s.n_cols, 25);
    const std::vector<float> x = random_floats(static_cast<std::size_t>(kMany * s.n_cols), 26);
    const std::vector<float> all = product(stream, matrix, x, kMany);
    const std::vector<float> last(x.end() - 2 * s.n_cols, x.end());
    BOOST_TEST(same_bits(&all[static_cast<std::size_t>((kMany - 2) * s.n_rows)],
                         product(stream, matrix, last, 2).data(), static_cast<std::size_t>(2 * s.n_rows),
                         text_of(type, s, kMany)));
    const std::vector<float> some = product(stream, matrix, first_rows(x, 12, s.n_cols), 12);
    BOOST_TEST(same_bits(all.data(), some.data(), some.size(), text_of(type, s, kMany)));
  }
}

BOOST_AUTO_TEST_CASE(stages_that_are_filled_again_give_the_same_bits) {
  Stream stream(kDevice);
  // Segments of three units and more for a decode step, whose stages are at most four of f16 and two of quantized
  // weights; gate and up take turns in the same ones.
  for (const auto& [type, n_cols] : {std::pair{WeightType::kQ4_0, 6400}, std::pair{WeightType::kQ6_K, 6400},
                                     std::pair{WeightType::kF16, 2560}, std::pair{WeightType::kBf16, 2560}}) {
    constexpr std::int64_t kRows = 21, kMany = 12;
    const Matrix gate(stream, type, kRows, n_cols, 41), up(stream, type, kRows, n_cols, 42);
    const std::vector<float> x = random_floats(static_cast<std::size_t>(kMany * n_cols), 43);
    const auto both = [&, columns = n_cols](std::int64_t n) {
      const DeviceRows rows(stream, n, columns, first_rows(x, n, columns));
      const Activations activations(stream, activation_kind(gate.view().type), rows.view());
      const DeviceRows y(stream, n, kRows);
      matmul_gated(stream, activations.view(), gate.view(), up.view(), y.view());
      return y.get();
    };
    const Shape s = {kRows, n_cols};
    const std::vector<float> many = product(stream, gate, x, kMany), many_gated = both(kMany);
    for (const std::int64_t n : {1, 3}) {
      BOOST_TEST(same_bits(many.data(), product(stream, gate, first_rows(x, n, n_cols), n).data(),
                           static_cast<std::size_t>(n * kRows), text_of(type, s, n)));
      BOOST_TEST(same_bits(many_gated.data(), both(n).data(), static_cast<std::size_t>(n * kRows),
                           "gated, " + text_of(type, s, n)));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_row_has_the_same_bits_whatever_its_neighbours_and_the_order_of_threads) {
  Stream stream(kDevice);
  for (const WeightType type : kTypes) {
    if (!is_frequent(type)) continue;
    const Shape s = shapes_of(type)[2 % shapes_of(type).size()];
    const Matrix matrix(stream, type, s.n_rows, s.n_cols, 31);
    const std::vector<float> x = random_floats(static_cast<std::size_t>(kMostRows * s.n_cols), 32, 1.0f);
    const std::vector<float> all = product(stream, matrix, x, 24);
    // The last row first, among others a thousand times as large.
    std::vector<float> other = random_floats(static_cast<std::size_t>(19 * s.n_cols), 33, 1000.0f);
    std::copy_n(x.begin() + 23 * s.n_cols, s.n_cols, other.begin() + 5 * s.n_cols);
    for (const std::int64_t n : {6, 19}) {
      const std::vector<float> found = product(stream, matrix, first_rows(other, n, s.n_cols), n);
      BOOST_TEST(same_bits(&all[static_cast<std::size_t>(23 * s.n_rows)],
                           &found[static_cast<std::size_t>(5 * s.n_rows)], static_cast<std::size_t>(s.n_rows),
                           text_of(type, s, n)));
    }
    for (int run = 0; run < 3; ++run)
      BOOST_TEST(same_bits(all.data(), product(stream, matrix, x, 24).data(), all.size(), text_of(type, s, 24)));
  }
}

BOOST_AUTO_TEST_CASE(several_matrices_of_several_types_are_multiplied_as_each_alone) {
  Stream stream(kDevice);
  constexpr std::int64_t kCols = 256;
  const Matrix q(stream, WeightType::kQ4_K, 48, kCols, 1);
  const Matrix k(stream, WeightType::kQ6_K, 17, kCols, 2);
  const Matrix v(stream, WeightType::kQ4_K, 35, kCols, 3);
  for (const std::int64_t n : {1, 12}) {
    const std::vector<float> x = random_floats(static_cast<std::size_t>(n * kCols), 4);
    const DeviceRows rows(stream, n, kCols, x);
    const Activations activations(stream, ActivationKind::kQ8, rows.view());
    const DeviceRows y_q(stream, n, 48);
    const DeviceRows y_k(stream, n, 17);
    const DeviceRows y_v(stream, n, 35);
    matmul(stream, activations.view(), {{q.view(), y_q.view()}, {k.view(), y_k.view()}, {v.view(), y_v.view()}},
           Store::kReplace);
    const std::string where = std::to_string(n) + " rows";
    BOOST_TEST(same_bits(product(stream, q, x, n).data(), y_q.get().data(), static_cast<std::size_t>(n * 48), where));
    BOOST_TEST(same_bits(product(stream, k, x, n).data(), y_k.get().data(), static_cast<std::size_t>(n * 17), where));
    BOOST_TEST(same_bits(product(stream, v, x, n).data(), y_v.get().data(), static_cast<std::size_t>(n * 35), where));
  }
}

BOOST_AUTO_TEST_CASE(added_products_and_gated_ones_have_the_bits_of_separate_steps) {
  Stream stream(kDevice);
  for (const WeightType type : kTypes) {
    const std::int64_t n_cols = columns_of(type) == 1 ? 70 : columns_of(type) * 2;
    const Matrix gate(stream, type, 37, n_cols, 1);
    const Matrix up(stream, type, 37, n_cols, 2);
    BOOST_TEST(can_gate(gate.view(), up.view()));
    for (const std::int64_t n : {2, 11}) {
      const std::vector<float> x = random_floats(static_cast<std::size_t>(n * n_cols), 3, 3.0f);
      const DeviceRows rows(stream, n, n_cols, x);
      const Activations activations(stream, activation_kind(type), rows.view());
      const DeviceRows expected(stream, n, 37, product(stream, gate, x, n));
      const DeviceRows y_up(stream, n, 37, product(stream, up, x, n));
      const DeviceRows found(stream, n, 37);
      silu_gate(stream, expected.view(), y_up.view());
      matmul_gated(stream, activations.view(), gate.view(), up.view(), found.view());
      const auto count = static_cast<std::size_t>(n * 37);
      const std::string where = std::string(name_of(type)) + ", " + std::to_string(n) + " rows";
      BOOST_TEST(same_bits(expected.get().data(), found.get().data(), count, where));

      const std::vector<float> residual = random_floats(count, 5);
      const DeviceRows added(stream, n, 37, residual);
      const DeviceRows sum(stream, n, 37, residual);
      matmul(stream, activations.view(), {{up.view(), added.view()}}, Store::kAdd);
      add_rows(stream, sum.view(), y_up.view());
      BOOST_TEST(same_bits(sum.get().data(), added.get().data(), count, where));
    }
  }
}

BOOST_AUTO_TEST_CASE(silu_gate_is_within_1e_6_of_double) {
  Stream stream(kDevice);
  const std::vector<float> gate = random_floats(300, 1, 4.0f);
  const std::vector<float> up = random_floats(300, 2);
  const DeviceRows x(stream, 2, 150, gate);
  const DeviceRows y(stream, 2, 150, up);
  silu_gate(stream, x.view(), y.view());
  const std::vector<float> found = x.get();
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double g = gate[i];
    BOOST_TEST(std::fabs(found[i] - g / (1.0 + std::exp(-g)) * up[i]) < 1e-6 * (1.0 + std::fabs(g * up[i])));
  }
}

BOOST_AUTO_TEST_CASE(rows_are_gathered_by_index) {
  Stream stream(kDevice);
  const std::vector<float> x = random_floats(5 * 30, 1);
  const DeviceRows from(stream, 5, 30, x);
  const DeviceRows to(stream, 2, 30);
  const DeviceMemory index = on_device<std::int32_t>(stream, {4, 1});
  gather_rows(stream, from.view(), index.as<std::int32_t>(), to.view());
  const std::vector<float> found = to.get();
  BOOST_TEST(same_bits(&x[120], found.data(), 30, "row 0"));
  BOOST_TEST(same_bits(&x[30], &found[30], 30, "row 1"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace llorch::cuda::testing
