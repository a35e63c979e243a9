// Rung 3, continued: caches narrower than f32 round each key and value once, by no more than their types say;
// everything else about them is exact (the other suites of this rung run on them, too).
#pragma once

#include <cmath>
#include <limits>

#include "tested_models.hpp"  // the plugin's own

namespace utf = boost::unit_test;
using namespace llorch::testing::checkpoints;  // NOLINT(google-build-using-namespace)

namespace llorch::testing::checkpoints {

/// Layer 0 of some rows: queries and keys as they were before the cache rounded, and the scores that came of it.
struct ScoredRows {
  checkpoint::Tensor queries, keys, scores;

  static ScoredRows of(plugin::Context& context, std::span<const std::int32_t> ids, std::int32_t position) {
    checkpoint::TapRecord record;
    constexpr std::uint64_t kTaps = 1ULL << kScoredQuery | 1ULL << kScoredKey | 1ULL << LLORCH_TAP_SCORES;
    succeed(context.set_tap(kTaps, 0, 1, [&](const llorch_tap_event& event) {
      record.add(event);
      return true;
    }));
    take(feed(context, ids, position, Wanted::kNone));
    succeed(context.set_tap(0, 0, 0, {}));
    const auto shown = [&](std::uint32_t tap) {
      const auto* event = record.only(tap, 0);
      BOOST_REQUIRE(event != nullptr);
      return event->tensor;
    };
    return {shown(kScoredQuery), shown(kScoredKey), shown(LLORCH_TAP_SCORES)};
  }
};

/// The most by which one rounding may move component i of a head. f16: half of its last place, 2^-11 of the value and
/// 2^-25 at least. Q8_0: half of the scale of its 32 components, which is their largest / 127 rounded to f16.
inline double rounding(std::uint32_t type, std::span<const float> head, std::size_t i) {
  if (type == LLORCH_DTYPE_F16) return std::max(std::abs(double{head[i]}) * 0x1p-11, 0x1p-25);
  if (type != LLORCH_DTYPE_Q8_0) return 0.0;
  double largest = 0.0;
  for (std::size_t d = i / 32 * 32; d < std::min(i / 32 * 32 + 32, head.size()); ++d)
    largest = std::max(largest, std::abs(double{head[d]}));
  return largest / 127 * (1 + 0x1p-11) / 2 * (1 + 0x1p-16);
}

/// A score of exact arithmetic, the most that rounding the key may add, and what summing in f32 may.
struct ExactScore {
  double value = 0, rounding = 0, summing = 0;

  static ExactScore of(std::span<const float> q, std::span<const float> k, std::uint32_t key_type) {
    ExactScore out;
    const std::uint32_t query_type = kHalfScores && key_type != LLORCH_DTYPE_F32 ? LLORCH_DTYPE_F16 : 0;
    for (std::size_t i = 0; i < q.size(); ++i) {
      out.value += double{q[i]} * double{k[i]};
      const double key = checkpoints::rounding(key_type, k, i);
      out.rounding +=
          std::abs(double{q[i]}) * key + (std::abs(double{k[i]}) + key) * checkpoints::rounding(query_type, q, i);
      out.summing += std::abs(double{q[i]} * double{k[i]});
    }
    const double scale = 1 / std::sqrt(static_cast<double>(q.size()));
    out.summing *= 0x1p-23 * static_cast<double>(q.size() + 2);
    return {out.value * scale, out.rounding * scale, out.summing * scale};
  }
};

/// Row i of (rows, heads * head_dim) as seen by one head.
inline std::span<const float> head_of(const checkpoint::Tensor& rows, std::size_t row, std::size_t head,
                                      std::size_t head_dim) {
  return std::span(rows.values).subspan(row * rows.dims[1] + head * head_dim, head_dim);
}

}  // namespace llorch::testing::checkpoints

BOOST_AUTO_TEST_SUITE(checkpoint_03_kv_types,
                      *utf::depends_on("checkpoint_02_qkv") * utf::description("narrow caches round once"))

BOOST_DATA_TEST_CASE(scores_are_those_of_keys_rounded_once, all_caches()) {
  ModelUnderTest& model = loaded(sample);
  const auto ids = some_ids(29, model.info().vocab_size);
  const auto seen = ScoredRows::of(*model.context(), ids, 0);
  const std::size_t n_heads = seen.scores.dims[0];
  const std::size_t head_dim = seen.queries.dims[1] / n_heads;
  const std::size_t sharers = n_heads / (seen.keys.dims[1] / head_dim);
  double largest = 0.0;  // rounding that was found, as a share of what is allowed
  for (std::size_t head = 0; head < n_heads; ++head) {
    for (std::size_t row = 0; row < ids.size(); ++row) {
      for (std::size_t column = 0; column <= row; ++column) {
        const double found = seen.scores.values[(head * ids.size() + row) * ids.size() + column];
        if (std::isinf(found)) continue;  // before the window
        const auto exact = ExactScore::of(head_of(seen.queries, row, head, head_dim),
                                          head_of(seen.keys, column, head / sharers, head_dim), sample.kv.k);
        const double error = std::abs(found - exact.value);
        BOOST_TEST(error <= exact.rounding + exact.summing,
                   "head " << head << ", row " << row << ", column " << column);
        if (exact.rounding > 0) largest = std::max(largest, error / exact.rounding);
      }
    }
  }
  // The keys were rounded indeed: somewhere it shows.
  BOOST_TEST((sample.kv.k == 0 || sample.kv.k == LLORCH_DTYPE_F32 || largest > 0.1),
             "largest error: " << largest << " of what rounding may do");
}

/// Turning a stored key rounds it a second time; everything that moved together keeps its distance.
BOOST_DATA_TEST_CASE(a_shift_rounds_turned_keys_once_more, all_caches()) {
  if (kScoredKey != LLORCH_TAP_K_ROTATED) return;  // learned positions: nothing turns
  ModelUnderTest& model = loaded(sample);
  const auto ids = some_ids(20, model.info().vocab_size);
  const auto context = model.context();
  const auto prompt = ScoredRows::of(*context, ids, 0);
  const auto before = ScoredRows::of(*context, std::span(ids).first(1), 20);
  succeed(context->kv_seq_remove(0, 20, -1));
  succeed(context->kv_seq_shift(0, -1, -1, 7));
  const auto after = ScoredRows::of(*context, std::span(ids).first(1), 27);
  const std::size_t n_heads = before.scores.dims[0];
  const std::size_t head_dim = before.queries.dims[1] / n_heads;
  const std::size_t sharers = n_heads / (before.keys.dims[1] / head_dim);
  for (std::size_t head = 0; head < n_heads; ++head) {
    const auto q = head_of(after.queries, 0, head, head_dim);
    for (std::size_t column = 0; column < ids.size(); ++column) {
      const double was = before.scores.values[head * 21 + column];
      const double is = after.scores.values[head * 21 + column];
      if (std::isinf(was)) {
        BOOST_TEST(std::isinf(is));
        continue;
      }
      // Both come near the same score. One rounding on the one side; on the other the same one, turned, and a second
      // one of a key at most sqrt 2 as large in a component and by the error of the first.
      const auto k = head_of(prompt.keys, column, head / sharers, head_dim);
      double allowed = 0.0;
      double sizes = 0.0;
      for (std::size_t i = 0; i < head_dim; ++i) {
        double coarsest = 0.0;
        for (std::size_t d = 0; d < head_dim; ++d)
          coarsest = std::max(coarsest, rounding(sample.kv.k, k, d));
        const std::size_t partner = i % 2 == 0 ? std::min(i + 1, head_dim - 1) : i - 1;
        const double size = std::hypot(double{q[i]}, double{q[partner]});
        allowed += size * coarsest * (1 + std::sqrt(2.0) + 1.02 * std::sqrt(2.0));
        sizes += size * std::hypot(double{k[i]}, double{k[partner]});
      }
      if (kHalfScores && sample.kv.k != 0 && sample.kv.k != LLORCH_DTYPE_F32) allowed += 2 * sizes * 0x1p-10;
      allowed /= std::sqrt(static_cast<double>(head_dim));
      BOOST_TEST(std::abs(is - was) <= allowed + 1e-5 * sizes,
                 "head " << head << ", column " << column << ": " << is << " and " << was << ", allowed " << allowed);
    }
  }
}

BOOST_DATA_TEST_CASE(values_alone_do_not_touch_the_scores, narrow_caches()) {
  ModelUnderTest& model = loaded(sample);
  const auto ids = some_ids(23, model.info().vocab_size);
  const auto scores = [&](std::uint32_t k, std::uint32_t v) {
    return ScoredRows::of(*model.context(1, 1, KvTypes{k, v}), ids, 0).scores.values;
  };
  for (const std::uint32_t other : {LLORCH_DTYPE_F32, LLORCH_DTYPE_F16, LLORCH_DTYPE_Q8_0}) {
    if (kHalfScores && other == LLORCH_DTYPE_F32) continue;  // then all of attention is in f32
    BOOST_TEST(same_bytes(scores(sample.kv.k, other), scores(sample.kv.k, sample.kv.v)));
  }
}

BOOST_DATA_TEST_CASE(logits_stay_near_those_of_an_f32_cache, narrow_caches()) {
  ModelUnderTest& model = loaded(sample);
  const auto ids = some_ids(37, model.info().vocab_size);
  const Rows wide = take(feed(*model.context(1, 1, kWideCache), ids, 0, Wanted::kAll));
  const Rows narrow = all_rows(model, ids);
  BOOST_TEST(!same_bytes(narrow, wide));
  double error = 0.0;
  double size = 0.0;
  for (std::size_t row = 0; row < wide.size(); ++row) {
    for (std::size_t i = 0; i < wide[row].size(); ++i) {
      error += std::pow(double{narrow[row][i]} - double{wide[row][i]}, 2);
      size += std::pow(double{wide[row][i]}, 2);
    }
  }
  // Not what follows from the types, which random weights of several layers make larger: found 0.008 at most.
  BOOST_TEST(std::sqrt(error / size) < 0.02);
}

BOOST_DATA_TEST_CASE(a_state_is_refused_by_a_cache_of_other_types, narrow_caches()) {
  ModelUnderTest& model = loaded(sample);
  const auto context = model.context();
  take(feed(*context, some_ids(20, model.info().vocab_size), 0, Wanted::kNone));
  const auto state = take(context->kv_seq_save(0));
  const auto wide = model.context(1, 1, kWideCache);
  take(feed(*wide, some_ids(5, model.info().vocab_size), 0, Wanted::kNone));
  const Snapshot before = Snapshot::of(*wide);
  const auto refused = wide->kv_seq_load(0, state);
  BOOST_REQUIRE(!refused);
  BOOST_TEST(refused.error().message.find("keys: expected f32, found") != std::string::npos, refused.error().message);
  BOOST_TEST((Snapshot::of(*wide) == before));
  const auto again = model.context();
  succeed(again->kv_seq_load(0, state));
  BOOST_TEST((take(again->kv_seq_save(0)) == state));
}

BOOST_DATA_TEST_CASE(memory_is_what_was_estimated_and_less_for_narrow_types, narrow_caches()) {
  ModelUnderTest& model = loaded(sample);
  const auto cache = [&](std::uint32_t k, std::uint32_t v) {
    llorch::plugin::ContextParams params;
    params.max_tokens = 64;
    params.max_batch_tokens = 16;
    params.kv_dtype_k = k;
    params.kv_dtype_v = v;
    const auto estimated = take(model.plugin().estimate_memory(model.file().source(), params)).kv;
    BOOST_TEST(take(take(model.model().create_context(params))->memory_usage()).kv == estimated);
    return estimated;
  };
  constexpr std::uint32_t kF32 = LLORCH_DTYPE_F32;
  BOOST_TEST(cache(kF32, kF32) == 2 * cache(LLORCH_DTYPE_F16, LLORCH_DTYPE_F16));
  BOOST_TEST(cache(0, 0) == cache(kDefaultCache.k, kDefaultCache.v));
  BOOST_TEST(cache(sample.kv.k, kF32) < cache(kF32, kF32));
  BOOST_TEST(cache(sample.kv.k, sample.kv.v) < cache(sample.kv.k, kF32));
}

BOOST_AUTO_TEST_SUITE_END()
