#include <Eigen/Dense>

#include "kernel_support.hpp"

namespace llorch::cpu::testing {
namespace {

struct FloatCase {
  WeightType type;
  std::int64_t rows, columns, tokens;
  bool bias;
};

std::vector<FloatCase> float_cases() {
  std::vector<FloatCase> all;
  const WeightType types[] = {WeightType::kF32, WeightType::kF16, WeightType::kBf16};
  for (const WeightType type : types) {
    for (const std::int64_t tokens : {1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 25}) {
      for (const std::int64_t rows : {1, 16, 17, 33, 64, 100})
        all.push_back({type, rows, 40, tokens, rows % 2 == 0});
    }
    for (std::int64_t columns = 1; columns <= 2 * kLanes + 1; ++columns) {
      for (const std::int64_t tokens : {1, 5, 14})
        all.push_back({type, 35, columns, tokens, true});
    }
    // Beyond one column block and, with the last, one block of tokens.
    all.push_back({type, 33, kPanelColumns + 5, 13, true});
    all.push_back({type, 20, 2 * kPanelColumns + 1, 3, false});
    all.push_back({type, 18, 24, 400, true});
  }
  return all;
}

std::string describe(const FloatCase& c, const char* table) {
  std::ostringstream out;
  out << table << ", type " << static_cast<int>(c.type) << ", " << c.tokens << " x (" << c.rows << ", " << c.columns
      << ")";
  return out.str();
}

/// y (tokens, padded rows)
std::vector<float> multiply(const KernelTable& table, const FloatCase& c, const TestMatrix& w,
                            const std::vector<float>& x, const std::vector<float>& bias, std::int64_t split) {
  const std::int64_t groups = w.view().n_groups();
  std::vector<float> tiles(x.size());
  table.pack_activations(x.data(), c.columns, c.columns, 0, c.tokens, tiles.data());
  std::vector<float> y(static_cast<std::size_t>(c.tokens * groups * kLanes), -1.0f);
  std::vector<float> panel(kPanelFloats);
  const MatmulArgs args = {.weights = w.view(),
                           .bias = c.bias ? bias.data() : nullptr,
                           .x = tiles.data(),
                           .n_tokens = c.tokens,
                           .y = y.data(),
                           .y_stride = groups * kLanes,
                           .panel = panel.data()};
  table.matmul(args, 0, std::min(split, groups));
  table.matmul(args, std::min(split, groups), groups);
  return y;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(matmul_kernels)

BOOST_AUTO_TEST_CASE(every_table_gives_the_chain_of_fused_multiply_adds_that_the_document_states) {
  for (const FloatCase& c : float_cases()) {
    const TestMatrix w(c.type, c.rows, c.columns, 1);
    const auto x = random_floats(static_cast<std::size_t>(c.tokens * c.columns), 2);
    auto bias = random_floats(static_cast<std::size_t>(c.rows), 3);
    bias.resize(static_cast<std::size_t>(w.view().n_groups() * kLanes), 0.0f);
    const auto stride = bias.size();
    std::vector<float> expected(static_cast<std::size_t>(c.tokens) * stride, 0.0f);
    for (std::int64_t t = 0; t < c.tokens; ++t) {
      for (std::int64_t r = 0; r < c.rows; ++r) {
        float chain = c.bias ? bias[static_cast<std::size_t>(r)] : 0.0f;
        for (std::int64_t k = 0; k < c.columns; ++k) {
          chain = std::fma(w.values()[static_cast<std::size_t>(r * c.columns + k)],
                           x[static_cast<std::size_t>(t * c.columns + k)], chain);
        }
        expected[static_cast<std::size_t>(t) * stride + static_cast<std::size_t>(r)] = chain;
      }
    }
    for (const KernelTable* table : available_kernels()) {
      // Wherever threads divide the rows, the result is the same.
      for (const std::int64_t split : {0, 1, 3}) {
        const auto y = multiply(*table, c, w, x, bias, split);
        BOOST_TEST(same_bits(expected.data(), y.data(), y.size(), describe(c, table->name)));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(products_match_eigen_in_double) {
  const FloatCase c = {WeightType::kF32, 100, 300, 9, true};
  const TestMatrix w(c.type, c.rows, c.columns, 5);
  const auto x = random_floats(static_cast<std::size_t>(c.tokens * c.columns), 6);
  auto bias = random_floats(112, 7);
  using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Eigen::MatrixXd weights = Eigen::Map<const Matrix>(w.values().data(), c.rows, c.columns).cast<double>();
  const Eigen::MatrixXd input = Eigen::Map<const Matrix>(x.data(), c.tokens, c.columns).cast<double>();
  const Eigen::VectorXd b = Eigen::Map<const Eigen::VectorXf>(bias.data(), c.rows).cast<double>();
  const Eigen::MatrixXd expected = (input * weights.transpose()).rowwise() + b.transpose();
  for (const KernelTable* table : available_kernels()) {
    const auto y = multiply(*table, c, w, x, bias, 4);
    const Eigen::MatrixXd found = Eigen::Map<const Matrix>(y.data(), c.tokens, 112).cast<double>().leftCols(c.rows);
    const double worst = (found - expected).cwiseAbs().maxCoeff();
    BOOST_TEST(worst < 1e-5, table->name << ": worst difference " << worst);
  }
}

BOOST_AUTO_TEST_CASE(a_row_of_a_packed_matrix_comes_back_as_it_went_in) {
  for (const WeightType type : {WeightType::kF32, WeightType::kF16, WeightType::kBf16}) {
    const TestMatrix w(type, 37, 23, 9);
    for (const KernelTable* table : available_kernels()) {
      for (std::int64_t row = 0; row < 37; ++row) {
        std::vector<float> out(23);
        table->gather_row(w.view(), row, out.data());
        BOOST_TEST(same_bits(w.values().data() + row * 23, out.data(), 23, table->name));
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace llorch::cpu::testing
