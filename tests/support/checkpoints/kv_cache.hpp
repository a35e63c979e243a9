// Rung 3: the cache holds exactly what it should, after prefill, after each token, across chunks and after every
// operation. All exact: bit for bit.
#pragma once

#include <cmath>
#include <limits>

#include "tested_models.hpp"  // the plugin's own

namespace utf = boost::unit_test;
using namespace llorch::testing::checkpoints;  // NOLINT(google-build-using-namespace)
using llorch::ErrorCode;
using llorch::checkpoint::TapRecord;
using Range = std::pair<std::int32_t, std::int32_t>;

namespace {

/// Prompt lengths around the cache's blocks of 16, below every tested model's context.
inline std::vector<std::int32_t> ids_for(const ModelUnderTest& model, std::size_t count = 37) {
  return some_ids(count, model.info().vocab_size);
}
inline std::optional<Range> range_of(llorch::plugin::Context& context, std::int32_t seq = 0) {
  return take(context.kv_seq_range(seq));
}
/// One more token: the logits of its row.
inline Rows next(llorch::plugin::Context& context, std::int32_t token, std::int32_t position, std::int32_t seq = 0) {
  return take(feed(context, std::span(&token, 1), position, Wanted::kLast, seq));
}
template <class T>
void check_refused(const llorch::Result<T>& result, ErrorCode code) {
  BOOST_REQUIRE(!result);
  BOOST_TEST((result.error().code == code), llorch::to_string(result.error().code) << ": " << result.error().message);
}

/// Rows of the KV cache as the taps showed their keys, with their positions.
struct SeenKeys {
  std::vector<std::vector<float>> keys;
  std::vector<std::int64_t> positions;
  void add(const llorch::checkpoint::Tensor& rows, std::int64_t first_position) {
    const auto width = static_cast<std::ptrdiff_t>(rows.dims[1]);
    for (auto at = rows.values.begin(); at != rows.values.end(); at += width) {
      keys.emplace_back(at, at + width);
      positions.push_back(first_position++);
    }
  }
  void remove(std::ptrdiff_t begin, std::ptrdiff_t end) {
    keys.erase(keys.begin() + begin, keys.begin() + end);
    positions.erase(positions.begin() + begin, positions.begin() + end);
  }
};

/// Scores (n_heads, 1, keys) of one query row against all keys, the last of which is its own: to see which keys a row
/// really met.
inline llorch::checkpoint::Tensor scores_from(const std::vector<float>& q, const SeenKeys& seen, std::size_t n_heads,
                                              std::uint64_t window) {
  const std::size_t head_dim = q.size() / n_heads;
  const std::size_t heads_of_one_key = n_heads / (seen.keys.front().size() / head_dim);
  llorch::checkpoint::Tensor out{{n_heads, 1, seen.keys.size()}, {}};
  for (std::size_t head = 0; head < n_heads; ++head) {
    for (std::size_t row = 0; row < seen.keys.size(); ++row) {
      if (window > 0 && seen.positions.back() - seen.positions[row] >= static_cast<std::int64_t>(window)) {
        out.values.push_back(-std::numeric_limits<float>::infinity());
        continue;
      }
      double sum = 0.0;
      for (std::size_t i = 0; i < head_dim; ++i)
        sum += double{q[head * head_dim + i]} * double{seen.keys[row][head / heads_of_one_key * head_dim + i]};
      out.values.push_back(static_cast<float>(sum / std::sqrt(static_cast<double>(head_dim))));
    }
  }
  return out;
}

/// Columns [begin, end) of scores (n_heads, 1, columns).
inline llorch::checkpoint::Tensor columns_of(const llorch::checkpoint::Tensor& scores, std::size_t begin,
                                             std::size_t end) {
  llorch::checkpoint::Tensor out{{scores.dims[0], 1, end - begin}, {}};
  for (std::size_t head = 0; head < scores.dims[0]; ++head) {
    const auto row = scores.values.begin() + static_cast<std::ptrdiff_t>(head * scores.dims[2]);
    out.values.insert(out.values.end(), row + static_cast<std::ptrdiff_t>(begin),
                      row + static_cast<std::ptrdiff_t>(end));
  }
  return out;
}

/// Taps of layer 0: queries and keys as scores are made of them, and the scores.
class ScoreTaps {
 public:
  explicit ScoreTaps(llorch::plugin::Context& context) : context_(context) {}
  void listen() {
    record_.clear();
    constexpr std::uint64_t kTaps = 1ULL << kScoredQuery | 1ULL << kScoredKey | 1ULL << LLORCH_TAP_SCORES;
    succeed(context_.set_tap(kTaps, 0, 1, [this](const llorch_tap_event& event) {
      record_.add(event);
      return true;
    }));
  }
  [[nodiscard]] const llorch::checkpoint::Tensor& shown(std::uint32_t tap) const {
    const auto* event = record_.only(tap, 0);
    BOOST_REQUIRE(event != nullptr);
    return event->tensor;
  }

 private:
  llorch::plugin::Context& context_;
  TapRecord record_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(checkpoint_03_kv_cache,
                      *utf::depends_on("checkpoint_02_qkv") * utf::description("the KV cache is exact"))

BOOST_DATA_TEST_CASE(prefill_holds_the_prompt_and_each_decoded_token_adds_one, all_caches()) {
  ModelUnderTest& model = loaded(sample);
  const auto ids = ids_for(model);
  const auto context = model.context();
  BOOST_TEST(!range_of(*context).has_value());
  BOOST_TEST(take(context->kv_usage()).used_tokens == 0U);
  take(feed(*context, std::span(ids).first(20), 0, Wanted::kNone));
  BOOST_TEST((range_of(*context) == Range{0, 19}));
  for (std::int32_t position = 20; position < 37; ++position) {
    next(*context, ids[static_cast<std::size_t>(position)], position);
    BOOST_TEST((range_of(*context) == Range{0, position}));
  }
  const auto usage = take(context->kv_usage());
  BOOST_TEST(usage.n_seqs == 1U);
  BOOST_TEST(usage.used_tokens >= 37U);
  BOOST_TEST(usage.used_tokens < 37U + model.info().kv_block_tokens);
}

BOOST_DATA_TEST_CASE(any_chunking_gives_the_bytes_of_one_call, all_caches()) {
  ModelUnderTest& model = loaded(sample);
  const auto ids = ids_for(model);
  const Rows whole = all_rows(model, ids);
  for (const std::uint32_t chunk : {1, 2, 3, 5, 15, 16, 17, 32, 36}) {
    BOOST_TEST_CONTEXT("chunks of " << chunk) {
      BOOST_TEST(same_bytes(take(feed(*model.context(), ids, 0, Wanted::kAll, 0, chunk)), whole));
    }
  }
}

BOOST_DATA_TEST_CASE(a_removed_tail_computed_again_gives_the_same_bytes, all_caches()) {
  ModelUnderTest& model = loaded(sample);
  const auto ids = ids_for(model);
  const Rows whole = all_rows(model, ids);
  const auto context = model.context();
  take(feed(*context, ids, 0, Wanted::kNone));
  for (const std::int32_t keep : {36, 33, 32, 31, 17, 16, 15, 1, 0}) {
    succeed(context->kv_seq_remove(0, keep, -1));
    BOOST_TEST((keep == 0 ? !range_of(*context).has_value() : range_of(*context) == Range{0, keep - 1}));
    const auto rest = std::span(ids).subspan(static_cast<std::size_t>(keep));
    const Rows rows = take(feed(*context, rest, keep, Wanted::kAll));
    BOOST_TEST_CONTEXT("kept " << keep) {
      BOOST_TEST(same_bytes(rows, Rows(whole.begin() + keep, whole.end())));
    }
  }
}

BOOST_DATA_TEST_CASE(other_tokens_after_a_removal_leave_no_trace_of_the_old_ones, all_caches()) {
  ModelUnderTest& model = loaded(sample);
  const auto ids = ids_for(model);
  auto other = ids;
  for (std::size_t i = 10; i < other.size(); ++i)
    other[i] = (other[i] + 1) % 211;
  const auto context = model.context();
  take(feed(*context, other, 0, Wanted::kNone));
  succeed(context->kv_seq_remove(0, 10, -1));
  const Rows rows = take(feed(*context, std::span(ids).subspan(10), 10, Wanted::kAll));
  const Rows whole = all_rows(model, ids);
  BOOST_TEST(same_bytes(rows, Rows(whole.begin() + 10, whole.end())));
}

BOOST_DATA_TEST_CASE(removing_nothing_changes_nothing, all_caches()) {
  ModelUnderTest& model = loaded(sample);
  const auto context = model.context();
  take(feed(*context, ids_for(model), 0, Wanted::kNone));
  const Snapshot before = Snapshot::of(*context);
  succeed(context->kv_seq_remove(0, 5, 5));
  succeed(context->kv_seq_remove(0, 9, 3));
  succeed(context->kv_seq_remove(0, 37, -1));
  succeed(context->kv_seq_remove(0, 1000, 2000));
  BOOST_TEST((Snapshot::of(*context) == before));
}

BOOST_DATA_TEST_CASE(a_row_after_a_removal_in_the_middle_meets_exactly_the_remaining_keys, all_models()) {
  ModelUnderTest& model = loaded(sample);
  const auto ids = ids_for(model, 30);
  const auto context = model.context();
  ScoreTaps taps(*context);
  taps.listen();
  take(feed(*context, ids, 0, Wanted::kNone));
  SeenKeys seen;
  seen.add(taps.shown(kScoredKey), 0);
  succeed(context->kv_seq_remove(0, 4, 19));  // across a block's border
  seen.remove(4, 19);
  BOOST_TEST((range_of(*context) == Range{0, 29}));
  taps.listen();
  next(*context, ids[7], 30);
  seen.add(taps.shown(kScoredKey), 30);
  const auto& scores = taps.shown(LLORCH_TAP_SCORES);
  BOOST_TEST(
      matches(scores, scores_from(taps.shown(kScoredQuery).values, seen, scores.dims[0], window_of(model)), 1e-4));
}

BOOST_DATA_TEST_CASE(rows_behind_a_closed_hole_are_met_as_if_the_hole_had_never_been, all_models()) {
  ModelUnderTest& model = loaded(sample);
  const auto ids = ids_for(model, 30);
  const auto context = model.context();
  take(feed(*context, ids, 0, Wanted::kNone));
  succeed(context->kv_seq_remove(0, 4, 19));
  ScoreTaps taps(*context);
  taps.listen();
  next(*context, ids[7], 30);
  const auto open = taps.shown(LLORCH_TAP_SCORES);
  succeed(context->kv_seq_remove(0, 30, -1));

  succeed(context->kv_seq_shift(0, 19, -1, -15));
  BOOST_TEST((range_of(*context) == Range{0, 14}));
  taps.listen();
  next(*context, ids[7], 15);
  const auto closed = taps.shown(LLORCH_TAP_SCORES);
  BOOST_REQUIRE_EQUAL(closed.dims[2], 16U);
  // Everything that moved kept its distance; learned positions change the query itself, rotary ones do not.
  if (kScoredKey == LLORCH_TAP_K_ROTATED) BOOST_TEST(matches(columns_of(closed, 4, 16), columns_of(open, 4, 16), 1e-4));
  // And what stands before the hole was not touched: the first rows as the prompt's own scores met them.
  const auto fresh = model.context();
  ScoreTaps fresh_taps(*fresh);
  fresh_taps.listen();
  take(feed(*fresh, std::span(ids).first(4), 0, Wanted::kNone));
  SeenKeys first;
  first.add(fresh_taps.shown(kScoredKey), 0);
  first.keys.push_back(taps.shown(kScoredKey).values);
  first.positions.push_back(15);
  const auto wanted = scores_from(taps.shown(kScoredQuery).values, first, closed.dims[0], window_of(model));
  BOOST_TEST(matches(columns_of(closed, 0, 4), columns_of(wanted, 0, 4), 1e-4));
}

BOOST_DATA_TEST_CASE(a_copy_continues_like_its_source_and_neither_sees_the_other, all_caches()) {
  ModelUnderTest& model = loaded(sample);
  const auto ids = ids_for(model);
  const Rows whole = all_rows(model, ids);
  for (const std::int32_t prefix : {1, 15, 16, 17, 32, 36}) {
    const auto context = model.context(3);
    take(feed(*context, std::span(ids).first(static_cast<std::size_t>(prefix)), 0, Wanted::kNone));
    take(feed(*context, some_ids(5, 211, 9), 0, Wanted::kNone, 1));  // to be dropped by the copy
    succeed(context->kv_seq_copy(0, 1, 0, prefix));
    BOOST_TEST((range_of(*context, 1) == Range{0, prefix - 1}));
    // Both write to the same positions, in what was one shared block, in turns; then each reads what it wrote.
    const auto rest = std::span(ids).subspan(static_cast<std::size_t>(prefix));
    const std::size_t first = std::min<std::size_t>(rest.size(), 3);
    auto other = std::vector(ids.begin(), ids.begin() + prefix);
    for (const std::int32_t id : some_ids(4, 211, 5))
      other.push_back(id);
    const Rows other_whole = all_rows(model, other);
    BOOST_TEST_CONTEXT("prefix " << prefix) {
      Rows rows = take(feed(*context, rest.first(first), prefix, Wanted::kAll, 0));
      Rows other_rows =
          take(feed(*context, std::span(other).subspan(static_cast<std::size_t>(prefix), 3), prefix, Wanted::kAll, 1));
      for (auto& row :
           take(feed(*context, rest.subspan(first), prefix + static_cast<std::int32_t>(first), Wanted::kAll, 0))) {
        rows.push_back(std::move(row));
      }
      BOOST_TEST(same_bytes(rows, Rows(whole.begin() + prefix, whole.end())));
      succeed(context->kv_seq_remove(0, -1, -1));  // the source goes, the copy stays
      other_rows.push_back(next(*context, other.back(), prefix + 3, 1).back());
      BOOST_TEST(same_bytes(other_rows, Rows(other_whole.begin() + prefix, other_whole.end())));
    }
  }
}

BOOST_DATA_TEST_CASE(a_copy_of_a_part_holds_that_part, all_caches()) {
  ModelUnderTest& model = loaded(sample);
  const auto context = model.context(2);
  take(feed(*context, ids_for(model), 0, Wanted::kNone));
  succeed(context->kv_seq_copy(0, 1, 5, 20));
  BOOST_TEST((range_of(*context, 1) == Range{5, 19}));
  succeed(context->kv_seq_copy(0, 1, -1, -1));
  BOOST_TEST((range_of(*context, 1) == Range{0, 36}));
  succeed(context->kv_seq_copy(0, 1, 7, 7));  // an empty copy
  BOOST_TEST(!range_of(*context, 1).has_value());
}

BOOST_DATA_TEST_CASE(a_shift_by_nothing_and_a_shift_of_a_copy_change_no_byte, all_caches()) {
  ModelUnderTest& model = loaded(sample);
  const auto ids = ids_for(model);
  const auto context = model.context(2);
  take(feed(*context, std::span(ids).first(30), 0, Wanted::kNone));
  succeed(context->kv_seq_shift(0, 10, -1, 0));
  succeed(context->kv_seq_copy(0, 1, -1, -1));
  succeed(context->kv_seq_shift(1, 10, -1, 3));
  BOOST_TEST((range_of(*context, 1) == Range{0, 32}));
  BOOST_TEST((range_of(*context, 0) == Range{0, 29}));
  const Rows whole = all_rows(model, ids);
  BOOST_TEST(same_bytes(take(feed(*context, std::span(ids).subspan(30), 30, Wanted::kAll)),
                        Rows(whole.begin() + 30, whole.end())));
}

BOOST_DATA_TEST_CASE(an_impossible_shift_or_copy_is_refused_and_changes_nothing, all_caches()) {
  ModelUnderTest& model = loaded(sample);
  const auto context = model.context(2);
  take(feed(*context, ids_for(model), 0, Wanted::kNone));
  const Snapshot before = Snapshot::of(*context);
  check_refused(context->kv_seq_shift(0, 10, 20, -1), ErrorCode::kInvalidArgument);  // onto position 9
  check_refused(context->kv_seq_shift(0, 10, 20, 1), ErrorCode::kInvalidArgument);   // onto position 20
  check_refused(context->kv_seq_shift(0, 10, 20, 30), ErrorCode::kInvalidArgument);  // past others
  check_refused(context->kv_seq_shift(0, -1, -1, -1), ErrorCode::kInvalidArgument);  // below 0
  check_refused(context->kv_seq_shift(0, -1, -1, static_cast<std::int32_t>(model.info().max_positions)),
                ErrorCode::kInvalidArgument);  // beyond the context
  check_refused(context->kv_seq_shift(0, -1, -1, 2147483647), ErrorCode::kInvalidArgument);
  check_refused(context->kv_seq_copy(0, 0, -1, -1), ErrorCode::kInvalidArgument);
  for (const std::int32_t seq : {-1, 2, 2147483647, -2147483647 - 1}) {
    check_refused(context->kv_seq_copy(0, seq, -1, -1), ErrorCode::kInvalidArgument);
    check_refused(context->kv_seq_copy(seq, 0, -1, -1), ErrorCode::kInvalidArgument);
    check_refused(context->kv_seq_remove(seq, -1, -1), ErrorCode::kInvalidArgument);
    check_refused(context->kv_seq_shift(seq, -1, -1, 0), ErrorCode::kInvalidArgument);
    check_refused(context->kv_seq_range(seq), ErrorCode::kInvalidArgument);
    check_refused(context->kv_seq_save(seq), ErrorCode::kInvalidArgument);
    check_refused(context->kv_seq_load(seq, before.state), ErrorCode::kInvalidArgument);
  }
  BOOST_TEST((Snapshot::of(*context) == before));
}

BOOST_DATA_TEST_CASE(a_loaded_state_continues_with_the_same_bytes_in_any_sequence_of_any_context, all_caches()) {
  ModelUnderTest& model = loaded(sample);
  const auto ids = ids_for(model);
  const Rows whole = all_rows(model, ids);
  for (const std::int32_t prefix : {1, 16, 30, 36}) {
    const auto first = model.context();
    take(feed(*first, std::span(ids).first(static_cast<std::size_t>(prefix)), 0, Wanted::kNone));
    const auto state = take(first->kv_seq_save(0));
    const auto second = model.context(3, 2);
    take(feed(*second, some_ids(20, 211, 4), 0, Wanted::kNone, 2));  // replaced by the state
    succeed(second->kv_seq_load(2, state));
    BOOST_TEST((range_of(*second, 2) == Range{0, prefix - 1}));
    const auto rest = std::span(ids).subspan(static_cast<std::size_t>(prefix));
    BOOST_TEST_CONTEXT("prefix " << prefix) {
      BOOST_TEST(
          same_bytes(take(feed(*second, rest, prefix, Wanted::kAll, 2)), Rows(whole.begin() + prefix, whole.end())));
    }
  }
}

BOOST_DATA_TEST_CASE(an_empty_sequence_can_be_saved_and_loaded, all_caches()) {
  ModelUnderTest& model = loaded(sample);
  const auto context = model.context(2);
  const auto state = take(context->kv_seq_save(0));
  take(feed(*context, ids_for(model), 0, Wanted::kNone, 1));
  succeed(context->kv_seq_load(1, state));
  BOOST_TEST(!range_of(*context, 1).has_value());
}

BOOST_AUTO_TEST_CASE(a_state_cut_short_anywhere_is_refused_and_changes_nothing) {
  ModelUnderTest& model = loaded(tested_models.front());
  const auto context = model.context();
  take(feed(*context, ids_for(model, 3), 0, Wanted::kNone));
  const auto state = take(context->kv_seq_save(0));
  take(feed(*context, ids_for(model, 5), 3, Wanted::kNone));
  const Snapshot before = Snapshot::of(*context);
  for (std::size_t size = 0; size < state.size(); size += size < 256 ? 1 : 97) {
    check_refused(context->kv_seq_load(0, std::span(state).first(size)), ErrorCode::kInvalidArgument);
  }
  BOOST_TEST((Snapshot::of(*context) == before));
}

BOOST_AUTO_TEST_CASE(a_state_with_any_damaged_byte_is_refused_and_changes_nothing) {
  ModelUnderTest& model = loaded(tested_models.front());
  const auto context = model.context();
  take(feed(*context, ids_for(model, 3), 0, Wanted::kNone));
  const auto state = take(context->kv_seq_save(0));
  take(feed(*context, ids_for(model, 5), 3, Wanted::kNone));
  const Snapshot before = Snapshot::of(*context);
  for (std::size_t i = 0; i < state.size(); i += i < 256 ? 1 : 61) {
    for (const unsigned bit : {0U, 7U}) {
      auto damaged = state;
      damaged[i] ^= std::byte{static_cast<unsigned char>(1U << bit)};
      const auto loaded_state = context->kv_seq_load(0, damaged);
      // A length that grew by damage may also ask for more room than there is.
      BOOST_REQUIRE_MESSAGE(!loaded_state, "accepted with bit " << bit << " of byte " << i << " flipped");
      BOOST_TEST((loaded_state.error().code == ErrorCode::kInvalidArgument ||
                  loaded_state.error().code == ErrorCode::kResourceExhausted),
                 "byte " << i << ": " << loaded_state.error().message);
    }
  }
  BOOST_TEST((Snapshot::of(*context) == before));
}

BOOST_AUTO_TEST_CASE(a_state_of_another_model_is_refused) {
  const auto state = [](const TestedModel& from) {
    const auto context = loaded(from).context();
    take(feed(*context, some_ids(5, 211), 0, Wanted::kNone));
    return take(context->kv_seq_save(0));
  };
  const auto context = loaded(tested_models[0]).context();
  for (std::size_t i = 1; i < tested_models.size(); ++i)
    check_refused(context->kv_seq_load(0, state(tested_models[i])), ErrorCode::kInvalidArgument);
  BOOST_TEST(!range_of(*context).has_value());
}

BOOST_AUTO_TEST_CASE(a_full_cache_refuses_and_keeps_everything) {
  ModelUnderTest& model = loaded(tested_models.front());
  llorch::plugin::ContextParams params;
  params.max_tokens = 32;
  params.kv_dtype_k = tested_models.front().kv.k;
  params.kv_dtype_v = tested_models.front().kv.v;
  params.max_seqs = 2;
  params.max_batch_tokens = 40;
  params.max_output_rows = 40;
  const auto context = take(model.model().create_context(params));
  const auto ids = ids_for(model, 39);
  take(feed(*context, std::span(ids).first(17), 0, Wanted::kNone, 0));
  const auto long_state = take(context->kv_seq_save(0));
  const Snapshot first = Snapshot::of(*context, 0);
  check_refused(feed(*context, std::span(ids).first(17), 0, Wanted::kLast, 1), ErrorCode::kResourceExhausted);
  check_refused(feed(*context, std::span(ids).subspan(17), 17, Wanted::kLast, 0), ErrorCode::kResourceExhausted);
  check_refused(context->kv_seq_load(1, long_state), ErrorCode::kResourceExhausted);
  BOOST_TEST((Snapshot::of(*context, 0) == first));
  BOOST_TEST(!range_of(*context, 1).has_value());
  // A copy shares its source's blocks and fits; writing to it needs a block of its own and does not.
  succeed(context->kv_seq_copy(0, 1, -1, -1));
  const Snapshot copy = Snapshot::of(*context, 1);
  check_refused(feed(*context, std::span(ids).first(1), 17, Wanted::kLast, 1), ErrorCode::kResourceExhausted);
  BOOST_TEST((Snapshot::of(*context, 1) == copy));
  // Room again: everything continues.
  succeed(context->kv_seq_remove(1, -1, -1));
  const Rows rows = take(feed(*context, std::span(ids).subspan(17, 15), 17, Wanted::kLast, 0));
  BOOST_TEST(same_bytes(rows, {all_rows(model, std::span(ids).first(32)).back()}));
}

BOOST_DATA_TEST_CASE(a_forward_cancelled_at_any_tensor_leaves_the_cache_as_it_was, all_caches()) {
  ModelUnderTest& model = loaded(sample);
  const auto ids = ids_for(model, 20);
  const Rows whole = all_rows(model, ids);
  const auto context = model.context();
  take(feed(*context, std::span(ids).first(10), 0, Wanted::kNone));
  const Snapshot before = Snapshot::of(*context);
  int allowed = 0;
  for (;; ++allowed) {
    int seen = 0;
    succeed(context->set_tap(model.info().taps, 0, 100, [&](const llorch_tap_event&) { return seen++ < allowed; }));
    const auto rows = feed(*context, std::span(ids).subspan(10), 10, Wanted::kAll);
    if (rows) break;
    check_refused(rows, ErrorCode::kCancelled);
    BOOST_REQUIRE_MESSAGE(Snapshot::of(*context) == before,
                          "changed by a cancellation after " << allowed << " tensors");
  }
  BOOST_TEST(allowed > 10);
  succeed(context->set_tap(0, 0, 0, nullptr));
  succeed(context->kv_seq_remove(0, 10, -1));
  const Rows rows = take(feed(*context, std::span(ids).subspan(10), 10, Wanted::kAll));
  BOOST_TEST(same_bytes(rows, Rows(whole.begin() + 10, whole.end())));
}

BOOST_DATA_TEST_CASE(a_forward_cancelled_by_the_host_leaves_the_cache_as_it_was, all_caches()) {
  ModelUnderTest& model = loaded(sample);
  const auto ids = ids_for(model, 20);
  const auto context = model.context();
  take(feed(*context, std::span(ids).first(10), 0, Wanted::kNone));
  const Snapshot before = Snapshot::of(*context);
  context->set_cancelled(true);
  check_refused(feed(*context, std::span(ids).subspan(10), 10, Wanted::kAll), ErrorCode::kCancelled);
  context->set_cancelled(false);
  BOOST_TEST((Snapshot::of(*context) == before));
  BOOST_TEST(feed(*context, std::span(ids).subspan(10), 10, Wanted::kAll).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
