#include <llorch/plugin.hpp>

#include "cpu/compute/compute.hpp"
#include "kernel_support.hpp"
#include "quant_support.hpp"

namespace llorch::cpu::testing {
namespace {

struct QuantCase {
  WeightType type;
  std::int64_t rows, columns, tokens;
  bool bias;
};

std::string describe(const QuantCase& c, const char* table) {
  std::ostringstream out;
  out << table << ", " << block_format(c.type)->name << ", " << c.tokens << " x (" << c.rows << ", " << c.columns
      << ")";
  return out.str();
}

/// Every number of columns up to a few scale units, odd numbers of rows, and rows of activations around every tile.
std::vector<QuantCase> quant_cases() {
  std::vector<QuantCase> all;
  for (const WeightType type : kQuantTypes) {
    const std::int64_t block = block_format(type)->columns;
    for (std::int64_t columns = block; columns <= 4 * block; columns += block) {
      for (const std::int64_t tokens : {1, 2, 7})
        all.push_back({type, 35, columns, tokens, true});
    }
    for (const std::int64_t rows : {1, 16, 17, 33, 64}) {
      for (const std::int64_t tokens : {1, 3, 4, 5, 6, 11, 12, 13, 15, 16, 17, 33})
        all.push_back({type, rows, 256, tokens, rows % 2 == 0});
    }
    all.push_back({type, 33, 1280, 18, true});   // several panels
    all.push_back({type, 18, 256, 970, false});  // more rows than stay in cache
  }
  return all;
}

/// Activations whose blocks differ much in size, some of them zero or too small for a scale.
std::vector<float> activations(std::int64_t tokens, std::int64_t columns, unsigned seed) {
  auto x = random_floats(static_cast<std::size_t>(tokens * columns), seed);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t block = i / kQuantColumns;
    if (block % 11 == 5) x[i] = block % 2 == 0 ? 0.0f : x[i] * 1e-33f;
    if (block % 5 == 1) x[i] *= 100.0f;
  }
  return x;
}

struct Quantized {
  int codes[kQuantColumns];
  float scale;
};
/// What docs/kernels.md says of a block of activations.
Quantized quantize(const float* x) {
  Quantized q{};
  float largest = 0.0f;
  for (int i = 0; i < kQuantColumns; ++i)
    largest = std::max(largest, std::fabs(x[i]));
  if (largest < 0x1p-100f) return q;
  const float inverse = 127.0f / largest;
  for (int i = 0; i < kQuantColumns; ++i)
    q.codes[i] = static_cast<int>(std::nearbyint(x[i] * inverse));
  q.scale = largest / 127.0f;
  return q;
}

/// The canonical chain, from the blocks of the file.
float chain(const QuantCase& c, const std::uint8_t* row, const float* x, float start) {
  const common::BlockFormat& block = *common::block_format(c.type);
  const PackedFormat format = packed_format(c.type);
  const int offset = format.offset_shift < 0 ? 0 : 1 << format.offset_shift;
  common::BlockParts parts{};
  float acc = start;
  for (std::int64_t k = 0; k < c.columns; k += format.part_columns) {
    if (k % block.columns == 0) block.split(row + k / block.columns * block.bytes, parts);
    const auto in_block = static_cast<int>(k % block.columns);
    const Quantized q = quantize(x + k / kQuantColumns * kQuantColumns);
    std::int32_t sum = 0;
    std::int32_t activation_sum = 0;
    for (int i = 0; i < format.part_columns; ++i) {
      const int code = format.from_table ? kIq4Codes[parts.codes[in_block + i]] : parts.codes[in_block + i];
      const int activation = q.codes[k % kQuantColumns + i];
      sum += (code - offset) * activation;
      activation_sum += activation;
    }
    float scale = abi::f16_to_f32(parts.scale);
    float minimum = abi::f16_to_f32(parts.minimum);
    if (format.super_scales) {
      const int part = in_block / format.part_columns;
      scale *= parts.scales[part];
      minimum *= -static_cast<float>(parts.minimums[part]);
    }
    acc = std::fma(scale * q.scale, static_cast<float>(sum), acc);
    if (format.minimums) acc = std::fma(minimum, q.scale * static_cast<float>(activation_sum), acc);
  }
  return acc;
}

/// y (tokens, padded rows)
std::vector<float> multiply(const KernelTable& table, const QuantCase& c, const QuantMatrix& w,
                            const std::vector<float>& x, const std::vector<float>& bias, std::int64_t split) {
  const std::int64_t groups = w.view().n_groups();
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  std::vector<Line> tiles(static_cast<std::size_t>(quantized_bytes(c.tokens, c.columns) / 64 + 1));
  table.quantize_activations(x.data(), c.columns, c.columns, 0, c.tokens, tiles.data());
  std::vector<float> y(static_cast<std::size_t>(c.tokens * groups * kLanes), -1.0f);
  std::vector<Line> panel(kPanelFloats / kLanes);
  const MatmulArgs args = {.weights = w.view(),
                           .bias = c.bias ? bias.data() : nullptr,
                           .x = tiles.data(),
                           .n_tokens = c.tokens,
                           .y = y.data(),
                           .y_stride = groups * kLanes,
                           .panel = reinterpret_cast<float*>(panel.data())};
  table.matmul(args, 0, std::min(split, groups));
  table.matmul(args, std::min(split, groups), groups);
  return y;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(quantized_products)

BOOST_AUTO_TEST_CASE(every_table_gives_the_chain_over_blocks_that_the_document_states) {
  for (const QuantCase& c : quant_cases()) {
    const QuantMatrix w(c.type, c.rows, c.columns, 1);
    const auto x = activations(c.tokens, c.columns, 2);
    auto bias = random_floats(static_cast<std::size_t>(c.rows), 3);
    bias.resize(static_cast<std::size_t>(w.view().n_groups() * kLanes), 0.0f);
    const auto stride = bias.size();
    std::vector<float> expected(static_cast<std::size_t>(c.tokens) * stride, 0.0f);
    const std::size_t row_bytes = w.blocks().size() / static_cast<std::size_t>(c.rows);
    // All rows of a few activations, and some rows of all.
    for (std::int64_t t = 0; t < c.tokens; ++t) {
      for (std::int64_t r = 0; r < c.rows; ++r) {
        expected[static_cast<std::size_t>(t) * stride + static_cast<std::size_t>(r)] =
            chain(c, w.blocks().data() + static_cast<std::size_t>(r) * row_bytes, x.data() + t * c.columns,
                  c.bias ? bias[static_cast<std::size_t>(r)] : 0.0f);
      }
    }
    for (const KernelTable* table : available_kernels()) {
      for (const std::int64_t split : {0, 1, 3}) {
        auto y = multiply(*table, c, w, x, bias, split);
        for (std::size_t i = 0; i < y.size(); ++i) {  // what pads the last group is nobody's
          if (i % stride >= static_cast<std::size_t>(c.rows)) y[i] = 0.0f;
        }
        BOOST_TEST(same_bits(expected.data(), y.data(), y.size(), describe(c, table->name)));
        if (c.tokens > 100) break;
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(quantized_activations_are_the_same_bytes_on_every_set_that_has_the_same_tiles) {
  // One row is laid out alike everywhere.
  for (const std::int64_t columns : {32, 64, 256, 1024}) {
    const auto x = activations(1, columns, 4);
    std::vector<std::byte> expected(static_cast<std::size_t>(quantized_bytes(1, columns)));
    scalar_kernels().quantize_activations(x.data(), columns, columns, 0, 1, expected.data());
    for (const KernelTable* table : vector_kernels()) {
      std::vector<std::byte> found(expected.size());
      table->quantize_activations(x.data(), columns, columns, 0, 1, found.data());
      BOOST_TEST(std::memcmp(expected.data(), found.data(), found.size()) == 0, table->name << ", " << columns);
    }
  }
}

BOOST_AUTO_TEST_CASE(products_match_double_on_dequantized_weights_and_quantized_activations) {
  for (const WeightType type : kQuantTypes) {
    const QuantCase c = {type, 48, 1024, 9, true};
    const QuantMatrix w(type, c.rows, c.columns, 5);
    const auto x = activations(c.tokens, c.columns, 6);
    const auto bias = random_floats(48, 7);
    for (const KernelTable* table : available_kernels()) {
      const auto y = multiply(*table, c, w, x, bias, 4);
      double worst = 0.0;
      for (std::int64_t t = 0; t < c.tokens; ++t) {
        for (std::int64_t r = 0; r < c.rows; ++r) {
          double exact = bias[static_cast<std::size_t>(r)];
          double magnitude = std::fabs(exact);
          for (std::int64_t k = 0; k < c.columns; k += kQuantColumns) {
            const Quantized q = quantize(x.data() + t * c.columns + k);
            for (int i = 0; i < kQuantColumns; ++i) {
              const double term = static_cast<double>(w.values()[static_cast<std::size_t>(r * c.columns + k + i)]) *
                                  q.codes[i] * static_cast<double>(q.scale);
              exact += term;
              magnitude += std::fabs(term);
            }
          }
          worst = std::max(worst, std::fabs(y[static_cast<std::size_t>(t * 48 + r)] - exact) / magnitude);
        }
      }
      // Between 32 and 128 roundings of f32, most of which cancel.
      BOOST_TEST(worst < 2e-6, table->name << ", " << block_format(type)->name << ": worst difference " << worst);
    }
  }
}

BOOST_AUTO_TEST_CASE(several_products_at_once_are_the_products_one_by_one_on_any_number_of_threads) {
  constexpr std::int64_t kColumns = 512;
  const QuantMatrix first(WeightType::kQ4_K, 70, kColumns, 1);
  const TestMatrix second(WeightType::kF16, 40, kColumns, 2);
  const QuantMatrix third(WeightType::kQ6_K, 33, kColumns, 3);
  for (const KernelTable* table : available_kernels()) {
    for (const std::int64_t tokens : {1, 5, 40}) {
      RowBuffer x(tokens, kColumns, "x");
      const auto values = activations(tokens, kColumns, 4);
      std::copy(values.begin(), values.end(), x.rows(tokens).data);
      std::vector<float> expected;
      for (const int threads : {1, 2, 3}) {
        Compute compute(*table, threads, tokens, kColumns);
        RowBuffer a(tokens, 80, "a"), b(tokens, 48, "b"), c(tokens, 48, "c");
        if (threads == 1) {
          compute.project(x.rows(tokens), first.view(), nullptr, a.rows(tokens));
          compute.project(x.rows(tokens), second.view(), nullptr, b.rows(tokens));
          compute.project(x.rows(tokens), third.view(), nullptr, c.rows(tokens));
        } else {
          compute.project(x.rows(tokens), {{first.view(), nullptr, a.rows(tokens)},
                                           {second.view(), nullptr, b.rows(tokens)},
                                           {third.view(), nullptr, c.rows(tokens)}});
        }
        std::vector<float> found;
        for (const Rows& rows : {a.rows(tokens), b.rows(tokens), c.rows(tokens)})
          found.insert(found.end(), rows.data, rows.data + tokens * rows.stride);
        if (threads == 1) expected = found;
        BOOST_TEST(same_bits(expected.data(), found.data(), found.size(), table->name));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_number_that_is_none_shows_in_every_product_that_it_enters) {
  for (const float bad : {std::nanf(""), HUGE_VALF, -HUGE_VALF}) {
    for (const std::int64_t tokens : {1, 14}) {
      const QuantCase c = {WeightType::kQ4_K, 20, 512, tokens, false};
      const QuantMatrix w(c.type, c.rows, c.columns, 8);
      auto x = random_floats(static_cast<std::size_t>(tokens * c.columns), 9);
      x[300] = bad;  // of the first row
      for (const KernelTable* table : available_kernels()) {
        const auto y = multiply(*table, c, w, x, {}, 4);
        for (std::size_t i = 0; i < y.size(); ++i)
          BOOST_TEST(std::isnan(y[i]) == (i < 32), table->name << ", element " << i << ": " << y[i]);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_row_of_a_packed_matrix_comes_back_bit_by_bit) {
  for (const WeightType type : kQuantTypes) {
    const QuantMatrix w(type, 37, 512, 9);
    for (const KernelTable* table : available_kernels()) {
      for (std::int64_t row = 0; row < 37; ++row) {
        std::vector<float> out(512);
        table->gather_row(w.view(), row, out.data());
        BOOST_TEST(same_bits(w.values().data() + row * 512, out.data(), 512,
                             std::string(table->name) + ", " + common::block_format(type)->name));
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace llorch::cpu::testing
