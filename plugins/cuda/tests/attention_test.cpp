// Attention over caches of every type: against double on the stored values, and the same bits however the rows come.
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "cuda/kernels/query_tiles.hpp"
#include "kv_support.hpp"

namespace llorch::cuda::testing {
namespace {

struct Heads {
  std::int64_t n_heads, n_kv, head_dim;
};
struct Case {
  Heads heads;
  std::int64_t length;  // rows in the cache
  std::int64_t window;  // rows that a query sees, its own included; 0: all
};

struct Span {
  std::int64_t first, n;
};

/// A sequence in a cache, with queries for all of its rows.
class Sequence {
 public:
  Sequence(Stream& stream, const Case& c, KvType k_type, KvType v_type)
      : stream_(&stream),
        case_(c),
        cache_(stream, k_type, v_type, 2, c.length / 16 + 4, c.heads.n_kv, c.heads.head_dim) {
    const std::int64_t n_blocks = (c.length + 15) / 16;
    for (std::int64_t i = 0; i < n_blocks; ++i)
      table_.push_back(static_cast<std::uint32_t>(n_blocks + 2 - i));  // as they come, but the first
    std::vector<std::uint32_t> places;
    for (std::int64_t i = 0; i < c.length; ++i)
      places.push_back(table_[static_cast<std::size_t>(i / 16)] * 16 + static_cast<std::uint32_t>(i % 16));
    const std::int64_t kv_dim = c.heads.n_kv * c.heads.head_dim;
    cache_.store(kLayer, places, random_floats(static_cast<std::size_t>(c.length * kv_dim), 41),
                 random_floats(static_cast<std::size_t>(c.length * kv_dim), 42));
    k_ = cache_.values(kLayer, places, true);
    v_ = cache_.values(kLayer, places, false);
    q_ = random_floats(static_cast<std::size_t>(c.length * c.heads.n_heads * c.heads.head_dim), 43, 2.0f);
  }

  static constexpr std::int64_t kLayer = 1;

  [[nodiscard]] std::int64_t begin(std::int64_t row) const {
    // With holes: a window of positions holds fewer rows here and there.
    if (case_.window == 0) return 0;
    return std::max<std::int64_t>(0, row + 1 - case_.window + (row > 40 ? 5 : 0));
  }

  /// Attention of rows [first, first + n) in one call; `apart`: the later half as if it were another sequence's.
  [[nodiscard]] std::vector<float> attend_rows(std::int64_t first, std::int64_t n, bool apart = false) const {
    const Prepared p(*this, first, n, apart);
    attend(*stream_, p.args);
    return p.out.get();
  }
  /// The same as a product takes it: by one function, or by attend() and convert().
  [[nodiscard]] std::vector<unsigned char> converted_rows(std::int64_t first, std::int64_t n, ActivationKind kind,
                                                          bool at_once) const {
    const Prepared p(*this, first, n);
    const Activations out(*stream_, kind, n, p.out.view().n_cols);
    ActivationView view = out.view();
    view.n_rows = n;
    if (at_once) {
      attend_converted(*stream_, p.args, view);
    } else {
      attend(*stream_, p.args);
      convert(*stream_, p.out.view(), view);
    }
    return on_host<unsigned char>(*stream_, out.memory(), out.memory().bytes());
  }
  [[nodiscard]] std::vector<float> scores(std::int64_t first, std::int64_t n) const {
    const Prepared p(*this, first, n);
    const std::int64_t columns = first + n;
    const auto count = static_cast<std::size_t>(case_.heads.n_heads * n * columns);
    const DeviceMemory out(stream_->device(), count * sizeof(float), "scores");
    attention_scores(*stream_, p.args, 0, n, columns, out.as<float>());
    return on_host<float>(*stream_, out, count);
  }

  /// q . k / sqrt(head_dim) in double.
  [[nodiscard]] double score(std::int64_t row, std::int64_t head, std::int64_t key) const {
    const Heads& h = case_.heads;
    const float* q = &q_[static_cast<std::size_t>((row * h.n_heads + head) * h.head_dim)];
    const std::int64_t kv_head = head / (h.n_heads / h.n_kv);
    const float* k = &k_[static_cast<std::size_t>((key * h.n_kv + kv_head) * h.head_dim)];
    double sum = 0;
    for (std::int64_t d = 0; d < h.head_dim; ++d)
      sum += static_cast<double>(q[d]) * k[d];
    return sum / std::sqrt(static_cast<double>(h.head_dim));
  }
  [[nodiscard]] std::vector<double> expected(std::int64_t row, std::int64_t head) const {
    const Heads& h = case_.heads;
    std::vector<double> s;
    double largest = -INFINITY;
    for (std::int64_t key = begin(row); key <= row; ++key) {
      s.push_back(score(row, head, key));
      largest = std::max(largest, s.back());
    }
    double sum = 0;
    for (double& one : s) {
      one = std::exp(one - largest);
      sum += one;
    }
    std::vector<double> out(static_cast<std::size_t>(h.head_dim), 0.0);
    const std::int64_t kv_head = head / (h.n_heads / h.n_kv);
    for (std::int64_t key = begin(row); key <= row; ++key) {
      const float* v = &v_[static_cast<std::size_t>((key * h.n_kv + kv_head) * h.head_dim)];
      for (std::int64_t d = 0; d < h.head_dim; ++d)
        out[static_cast<std::size_t>(d)] += s[static_cast<std::size_t>(key - begin(row))] / sum * v[d];
    }
    return out;
  }

 private:
  struct Prepared {
    Prepared(const Sequence& s, std::int64_t first, std::int64_t n, bool apart = false)
        : out(*s.stream_, n, s.case_.heads.n_heads * s.case_.heads.head_dim),
          q(*s.stream_, n, out.view().n_cols,
            std::vector<float>(s.q_.begin() + first * out.view().n_cols,
                               s.q_.begin() + (first + n) * out.view().n_cols)) {
      const Heads& h = s.case_.heads;
      const auto table_rows = static_cast<std::uint32_t>((first + n + 15) / 16);
      std::vector<VisibleRows> visible;
      for (std::int64_t i = first; i < first + n; ++i)
        visible.push_back({apart && i >= first + n / 2 ? 3U + table_rows : 3U, static_cast<std::int32_t>(s.begin(i)),
                           static_cast<std::int32_t>(i + 1)});
      std::vector<std::uint32_t> tables = {~0u, ~0u, ~0u};  // another sequence's
      for (int copy = 0; copy < 2; ++copy)
        tables.insert(tables.end(), s.table_.begin(), s.table_.begin() + table_rows);
      const std::int64_t later = apart ? n - n / 2 : 0;
      const std::vector<QueryTile> cut =
          query_tiles({{.seq = 0, .first_row = 0, .n_rows = n - later, .n_visible = first + 1},
                       {.seq = 1, .first_row = n - later, .n_rows = later, .n_visible = first + n - later + 1}},
                      h.n_heads, h.n_kv);
      rows = on_device(*s.stream_, visible);
      blocks = on_device(*s.stream_, tables);
      tiles = on_device(*s.stream_, cut);
      args.q = q.view();
      args.out = out.view();
      args.kv = s.cache_.view();
      args.layer = kLayer;
      args.n_heads = h.n_heads;
      args.scale = 1.0f / std::sqrt(static_cast<float>(h.head_dim));
      args.rows = rows.as<VisibleRows>();
      args.blocks = blocks.as<std::uint32_t>();
      args.most_visible = first + n + 70;  // a bucket
      args.tiles = tiles.as<QueryTile>();
      args.n_tiles = static_cast<std::int64_t>(cut.size());
      const std::uint64_t floats = attention_scratch_floats(n, h.n_heads, h.head_dim, args.most_visible);
      scratch = DeviceMemory(s.stream_->device(), floats * sizeof(float), "scratch");
      args.scratch = scratch.as<float>();
    }
    DeviceRows out, q;
    DeviceMemory rows, blocks, tiles, scratch;
    AttentionArgs args;
  };

  Stream* stream_;
  Case case_;
  Cache cache_;
  std::vector<std::uint32_t> table_;
  std::vector<float> k_, v_, q_;
};

struct Types {
  KvType k, v;
  const char* name;
};
constexpr Types kTypePairs[] = {{KvType::kF16, KvType::kF16, "f16"},
                                {KvType::kQ8_0, KvType::kQ8_0, "q8_0"},
                                {KvType::kQ8_0, KvType::kF16, "q8_0 and f16"},
                                {KvType::kF32, KvType::kF32, "f32"},
                                {KvType::kF16, KvType::kF32, "f16 and f32"}};
const Case kCases[] = {{{4, 4, 10}, 33, 0},  {{8, 2, 64}, 70, 0},  {{8, 2, 40}, 150, 50}, {{4, 1, 128}, 66, 0},
                       {{16, 1, 32}, 20, 0}, {{6, 2, 160}, 24, 9}, {{3, 1, 256}, 18, 0}};

bool is_exact(const Types& t) {
  return t.k == KvType::kF32 || t.v == KvType::kF32;
}
std::string text_of(const Types& t, const Case& c) {
  return std::string(t.name) + ", " + std::to_string(c.heads.n_heads) + "/" + std::to_string(c.heads.n_kv) +
         " heads of " + std::to_string(c.heads.head_dim) + ", " + std::to_string(c.length) + " rows";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(attention, *needs_device())

BOOST_AUTO_TEST_CASE(attention_is_that_of_double_on_the_stored_values) {
  // f32: sums in f32. Else q and p are rounded to f16: scores move by 2^-11 of the sum of magnitudes, here below 0.02;
  // q8_0 is dequantized to f16, which rounds once more.
  Stream stream(kDevice);
  for (const Types& types : kTypePairs) {
    for (const Case& c : kCases) {
      const Sequence sequence(stream, c, types.k, types.v);
      const double allowed = is_exact(types) ? 1e-5 : 1e-2;
      const auto width = static_cast<std::size_t>(c.heads.n_heads * c.heads.head_dim);
      for (const Span& span : {Span{c.length - 2, 2}, Span{c.length - 12, 12}}) {
        const std::int64_t first = span.first;
        const std::int64_t n = span.n;
        const std::vector<float> found = sequence.attend_rows(first, n);
        double worst = 0;
        for (std::int64_t i = 0; i < n; ++i) {
          for (std::int64_t h = 0; h < c.heads.n_heads; ++h) {
            const auto expected = sequence.expected(first + i, h);
            for (std::size_t d = 0; d < expected.size(); ++d) {
              const float value =
                  found[static_cast<std::size_t>(i) * width + static_cast<std::size_t>(h) * expected.size() + d];
              const double error = std::fabs(value - expected[d]);
              if (!(error <= worst)) worst = std::isnan(error) ? 1e9 : error;
            }
          }
        }
        BOOST_TEST(worst < allowed, text_of(types, c) << ", " << n << " queries: " << worst);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_query_has_the_same_bits_alone_among_few_and_among_many) {
  Stream stream(kDevice);
  for (const Types& types : kTypePairs) {
    for (const Case& c : kCases) {
      if (types.k != types.v && c.length > 40) continue;  // mixed caches: the short cases
      const Sequence sequence(stream, c, types.k, types.v);
      const auto width = static_cast<std::size_t>(c.heads.n_heads * c.heads.head_dim);
      const std::vector<float> all = sequence.attend_rows(0, c.length);
      for (const Span& span :
           {Span{0, 1}, Span{c.length - 1, 1}, Span{c.length - 8, 8}, Span{c.length / 2, 3}, Span{c.length - 13, 13}}) {
        const std::int64_t first = span.first;
        const std::int64_t n = span.n;
        const std::vector<float> found = sequence.attend_rows(first, n);
        BOOST_TEST(same_bits(&all[static_cast<std::size_t>(first) * width], found.data(), found.size(),
                             text_of(types, c) + ", from " + std::to_string(first) + ", " + std::to_string(n)));
      }
      const std::vector<float> apart = sequence.attend_rows(c.length - 14, 14, true);
      BOOST_TEST(same_bits(&all[static_cast<std::size_t>(c.length - 14) * width], apart.data(), apart.size(),
                           text_of(types, c) + ", two sequences"));
    }
  }
}

BOOST_AUTO_TEST_CASE(long_sequences_have_the_same_bits_among_few_and_among_many) {
  // More chunks than the merge of few rows takes at a time (128), and more than it has on their way (256).
  Stream stream(kDevice);
  for (const Case& c : {Case{{2, 1, 40}, 8320, 0}, Case{{1, 1, 32}, 17000, 0}, Case{{1, 1, 32}, 17000, 16800}}) {
    const Sequence sequence(stream, c, KvType::kF16, KvType::kF16);
    const auto width = static_cast<std::size_t>(c.heads.n_heads * c.heads.head_dim);
    const std::vector<float> many = sequence.attend_rows(c.length - 9, 9);
    const std::vector<float> few = sequence.attend_rows(c.length - 2, 2);
    BOOST_TEST(same_bits(&many[7 * width], few.data(), few.size(), text_of(kTypePairs[0], c)));
  }
}

BOOST_AUTO_TEST_CASE(converted_at_once_is_what_is_attended_and_then_converted) {
  Stream stream(kDevice);
  std::vector<Case> cases(std::begin(kCases), std::end(kCases));
  cases.push_back({{7, 1, 96}, 130, 0});  // 672 columns: 96 more fill the last block
  cases.push_back({{1, 1, 32}, 66, 0});   // 224 more
  for (const Types& types : kTypePairs) {
    for (const Case& c : cases) {
      if (types.k != types.v && c.length > 40) continue;
      const Sequence sequence(stream, c, types.k, types.v);
      for (const ActivationKind kind : {ActivationKind::kQ8, ActivationKind::kF16}) {
        if (kind == ActivationKind::kF16 && c.length > 24) continue;
        for (const std::int64_t n : {1, 8, 9}) {
          const auto apart = sequence.converted_rows(c.length - n, n, kind, false);
          const auto at_once = sequence.converted_rows(c.length - n, n, kind, true);
          BOOST_TEST((apart == at_once), text_of(types, c)
                                             << ", kind " << static_cast<int>(kind) << ", " << n << " queries");
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(scores_are_those_of_double_and_minus_infinity_where_masked) {
  Stream stream(kDevice);
  for (const Types& types : kTypePairs) {
    for (const Case& c : {kCases[0], kCases[2]}) {
      const Sequence sequence(stream, c, types.k, types.v);
      const std::int64_t first = c.length - 10;
      const std::vector<float> found = sequence.scores(first, 10);
      double worst = 0;
      for (std::int64_t h = 0; h < c.heads.n_heads; ++h) {
        for (std::int64_t i = 0; i < 10; ++i) {
          for (std::int64_t key = 0; key < first + 10; ++key) {
            const float value = found[static_cast<std::size_t>((h * 10 + i) * (first + 10) + key)];
            const bool seen = key >= sequence.begin(first + i) && key <= first + i;
            if (!seen) {
              BOOST_TEST((std::isinf(value) && value < 0), text_of(types, c) << ", key " << key);
            } else {
              const double error = std::fabs(value - sequence.score(first + i, h, key));
              if (!(error <= worst)) worst = std::isnan(error) ? 1e9 : error;
            }
          }
        }
      }
      BOOST_TEST(worst < (is_exact(types) ? 1e-5 : 1e-2), text_of(types, c) << ": " << worst);
    }
  }
}

BOOST_AUTO_TEST_CASE(tiles_cut_each_run_by_the_heads_that_share_keys) {
  const std::vector<common::QueryRun> runs = {{.seq = 0, .first_row = 0, .n_rows = 5, .n_visible = 1},
                                              {.seq = 1, .first_row = 5, .n_rows = 1, .n_visible = 9}};
  const auto tiles = query_tiles(runs, 8, 2);
  BOOST_REQUIRE(tiles.size() == 4u);
  BOOST_TEST(tiles[2].first_row == 4);
  BOOST_TEST(tiles[2].n_rows == 1);
  BOOST_TEST(tiles[3].first_row == 5);
  BOOST_TEST(query_tile_rows(32, 32) == 8);
  BOOST_TEST(query_tile_rows(32, 2) == 1);
  BOOST_TEST(query_tile_rows(6, 2) == 2);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace llorch::cuda::testing
