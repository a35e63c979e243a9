#include <algorithm>
#include <limits>
#include <numeric>

#include "kernel_support.hpp"
#include "kv_support.hpp"

namespace llorch::cpu::testing {
namespace {

struct AttentionCase {
  std::int64_t head_dim, n_rows, n_visible;
  std::int64_t window = 0;  // 0: none
  bool same_row = false;    // all query rows see what the first one sees: heads that share keys and values
  [[nodiscard]] std::int64_t end(std::int64_t r) const { return same_row ? n_visible : n_visible + r; }
  [[nodiscard]] std::int64_t begin(std::int64_t r) const {
    return window == 0 ? 0 : std::max<std::int64_t>(0, end(r) - window);
  }
};

std::vector<AttentionCase> attention_cases() {
  std::vector<AttentionCase> all;
  for (const std::int64_t head_dim : {1, 12, 16, 20, 33, 64, 80, 128}) {
    for (std::int64_t n_rows = 1; n_rows <= 6; ++n_rows) {
      for (const std::int64_t n_visible : {1, 2, 15, 16, 17, 60, 64, 65, 130})
        all.push_back({head_dim, n_rows, n_visible});
    }
    for (const std::int64_t n_rows : {1, 3, 6}) {
      all.push_back({head_dim, n_rows, 37, 0, true});
      for (const std::int64_t window : {1, 3, 16, 17, 40}) {
        all.push_back({head_dim, n_rows, 1, window});
        all.push_back({head_dim, n_rows, 50, window});
        all.push_back({head_dim, n_rows, 50, window, true});
      }
    }
  }
  return all;
}

/// Each type on either side; the sides do not know of each other.
struct CacheTypes {
  KvType k = KvType::kF32, v = KvType::kF32;
};
constexpr CacheTypes kCacheTypes[] = {
    {KvType::kF32, KvType::kF32}, {KvType::kF16, KvType::kQ8_0}, {KvType::kQ8_0, KvType::kF16}};

/// Keys and values of one head in shuffled blocks whose unused places hold garbage that must not matter.
struct Problem {
  explicit Problem(const AttentionCase& c, const CacheTypes& types = {})
      : n_kv(c.end(c.n_rows - 1)),
        n_blocks((n_kv + kLanes - 1) / kLanes),
        q(random_floats(static_cast<std::size_t>(c.n_rows * c.head_dim), 1)),
        k_blocks(types.k, false, c.head_dim, n_blocks),
        v_blocks(types.v, true, c.head_dim, n_blocks),
        table(static_cast<std::size_t>(n_blocks)) {
    std::iota(table.rbegin(), table.rend(), 0u);
    const auto fill = [&](StoredBlocks& blocks, std::vector<float>& exact, unsigned seed) {
      const auto random = random_floats(static_cast<std::size_t>(n_kv * c.head_dim), seed);
      for (std::int64_t p = 0; p < n_kv; ++p) {
        const auto first = random.begin() + p * c.head_dim;
        const auto row = blocks.set_row(table[static_cast<std::size_t>(p / kLanes)], p % kLanes,
                                        std::vector<float>(first, first + c.head_dim));
        exact.insert(exact.end(), row.begin(), row.end());
      }
    };
    fill(k_blocks, k, 2);
    fill(v_blocks, v, 3);
  }
  /// The same values in an f32 cache.
  [[nodiscard]] Problem widened(const AttentionCase& c) const {
    Problem wide(c);
    for (std::int64_t p = 0; p < n_kv; ++p) {
      const auto row = [&](const std::vector<float>& all) {
        return std::vector<float>(all.begin() + p * c.head_dim, all.begin() + (p + 1) * c.head_dim);
      };
      wide.k_blocks.set_row(table[static_cast<std::size_t>(p / kLanes)], p % kLanes, row(k));
      wide.v_blocks.set_row(table[static_cast<std::size_t>(p / kLanes)], p % kLanes, row(v));
    }
    return wide;
  }
  std::int64_t n_kv, n_blocks;
  std::vector<float> q, k, v;  // k, v: (n_kv, head_dim), as they are stored
  StoredBlocks k_blocks, v_blocks;
  std::vector<std::uint32_t> table;
};

struct Answer {
  std::vector<float> out, scores;
};

Answer attend(const KernelTable& table, const AttentionCase& c, const Problem& p) {
  Answer answer;
  answer.out.assign(static_cast<std::size_t>(c.n_rows * c.head_dim) + 1, 9.0f);
  answer.scores.assign(static_cast<std::size_t>(c.n_rows * p.n_kv), 9.0f);
  std::vector<float> scratch(static_cast<std::size_t>(c.n_rows * p.n_blocks * kLanes));
  AttentionArgs args = {.q = p.q.data(),
                        .q_stride = c.head_dim,
                        .n_rows = c.n_rows,
                        .begin = {},
                        .end = {},
                        .blocks = p.table.data(),
                        .k = p.k_blocks.bytes.data(),
                        .v = p.v_blocks.bytes.data(),
                        .k_type = p.k_blocks.type,
                        .v_type = p.v_blocks.type,
                        .k_block_stride = p.k_blocks.block_bytes,
                        .v_block_stride = p.v_blocks.block_bytes,
                        .head_dim = c.head_dim,
                        .scale = 1.0f / std::sqrt(static_cast<float>(c.head_dim)),
                        .scores = scratch.data(),
                        .scores_stride = p.n_blocks * kLanes,
                        .scores_tap = answer.scores.data(),
                        .tap_stride = p.n_kv,
                        .tap_columns = p.n_kv,
                        .out = answer.out.data(),
                        .out_stride = c.head_dim};
  for (std::int64_t r = 0; r < c.n_rows; ++r) {
    args.begin[r] = c.begin(r);
    args.end[r] = c.end(r);
  }
  table.attend(args);
  return answer;
}

std::string describe(const AttentionCase& c, const char* table, const CacheTypes& types = {}) {
  std::ostringstream out;
  out << table << ", head_dim " << c.head_dim << ", " << c.n_rows << " rows, " << c.n_visible << " visible, window "
      << c.window << (c.same_row ? ", heads" : ", tokens") << ", types " << static_cast<int>(types.k) << " and "
      << static_cast<int>(types.v);
  return out.str();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(attention_kernels)

BOOST_AUTO_TEST_CASE(every_table_gives_the_bits_of_the_scalar_one) {
  for (const CacheTypes& types : kCacheTypes) {
    for (const AttentionCase& c : attention_cases()) {
      const Problem problem(c, types);
      const Answer expected = attend(scalar_kernels(), c, problem);
      for (const KernelTable* table : vector_kernels()) {
        const Answer found = attend(*table, c, problem);
        const std::string where = describe(c, table->name, types);
        BOOST_TEST(same_bits(expected.out.data(), found.out.data(), found.out.size(), where));
        BOOST_TEST(same_bits(expected.scores.data(), found.scores.data(), found.scores.size(), where));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_narrow_cache_gives_the_bits_of_an_f32_cache_that_holds_its_values) {
  for (const CacheTypes& types : kCacheTypes) {
    for (const AttentionCase& c : attention_cases()) {
      const Problem problem(c, types);
      const Answer expected = attend(scalar_kernels(), c, problem.widened(c));
      const Answer found = attend(scalar_kernels(), c, problem);
      const std::string where = describe(c, "scalar", types);
      BOOST_TEST(same_bits(expected.out.data(), found.out.data(), found.out.size(), where));
      BOOST_TEST(same_bits(expected.scores.data(), found.scores.data(), found.scores.size(), where));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_tile_of_rows_gives_the_bits_of_its_rows_alone) {
  const AttentionCase wholes[] = {{20, 6, 43}, {20, 6, 43, 30}, {20, 6, 43, 4}, {20, 6, 43, 30, true}};
  for (const KernelTable* table : available_kernels()) {
    for (std::size_t i = 0; i < std::size(wholes) * std::size(kCacheTypes); ++i) {
      const AttentionCase& whole = wholes[i % std::size(wholes)];
      const CacheTypes& types = kCacheTypes[i / std::size(wholes)];
      const Problem problem(whole, types);
      const Answer expected = attend(*table, whole, problem);
      for (std::int64_t r = 0; r < whole.n_rows; ++r) {
        const AttentionCase single = {20, 1, whole.end(r), whole.window};
        Problem alone(single, types);
        alone.k_blocks = problem.k_blocks;
        alone.v_blocks = problem.v_blocks;
        alone.table = problem.table;
        std::copy_n(problem.q.begin() + r * 20, 20, alone.q.begin());
        const Answer found = attend(*table, single, alone);
        BOOST_TEST(same_bits(expected.out.data() + r * 20, found.out.data(), 20, describe(single, table->name, types)));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(attention_matches_its_definition_in_double) {
  for (const AttentionCase& c : attention_cases()) {
    const Problem p(c);
    const Answer found = attend(*available_kernels().back(), c, p);
    for (std::int64_t r = 0; r < c.n_rows; ++r) {
      const double none = -std::numeric_limits<double>::infinity();
      std::vector<double> weights(static_cast<std::size_t>(p.n_kv), none);
      for (auto j = static_cast<std::size_t>(c.begin(r)); j < static_cast<std::size_t>(c.end(r)); ++j) {
        double dot = 0;
        for (std::size_t d = 0; d < static_cast<std::size_t>(c.head_dim); ++d) {
          dot += static_cast<double>(p.q[static_cast<std::size_t>(r * c.head_dim) + d]) *
                 p.k[j * static_cast<std::size_t>(c.head_dim) + d];
        }
        weights[j] = dot / std::sqrt(static_cast<double>(c.head_dim));
      }
      for (std::size_t j = 0; j < weights.size(); ++j) {
        const float tapped = found.scores[static_cast<std::size_t>(r * p.n_kv) + j];
        if (weights[j] == none) {
          BOOST_TEST(tapped == -std::numeric_limits<float>::infinity(), describe(c, "masked score"));
        } else {
          BOOST_TEST(std::abs(tapped - weights[j]) < 1e-5, describe(c, "score"));
        }
      }
      const double top = *std::max_element(weights.begin(), weights.end());
      double sum = 0;
      for (double& w : weights)
        sum += w = std::exp(w - top);
      for (std::int64_t d = 0; d < c.head_dim; ++d) {
        double expected = 0;
        for (std::size_t j = 0; j < weights.size(); ++j) {
          expected += weights[j] / sum * p.v[j * static_cast<std::size_t>(c.head_dim) + static_cast<std::size_t>(d)];
        }
        const float out = found.out[static_cast<std::size_t>(r * c.head_dim + d)];
        BOOST_TEST(std::abs(out - expected) < 2e-6, describe(c, "output")
                                                        << ": expected " << expected << ", found " << out);
      }
    }
    BOOST_TEST(found.out.back() == 9.0f);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace llorch::cpu::testing
