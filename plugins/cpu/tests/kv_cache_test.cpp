#include "cpu/kv_cache/kv_cache.hpp"

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <string>
#include <vector>

#include "cpu/base/failure.hpp"

namespace llorch::cpu {
namespace {

constexpr KvShape kShape = {.n_layers = 2, .n_heads = 3, .head_dim = 20, .max_positions = 100};
constexpr std::int64_t kWidth = 60;

/// What the test writes for row `id`: every element tells layer, head component and row apart.
std::vector<float> row_of(std::int64_t layer, float id, float sign) {
  std::vector<float> row(kWidth);
  for (std::size_t i = 0; i < row.size(); ++i)
    row[i] = sign * (id * 1000 + static_cast<float>(layer * 100) + static_cast<float>(i));
  return row;
}

struct Cache {
  explicit Cache(std::int64_t max_tokens = 96, std::int32_t max_seqs = 4, std::uint64_t fingerprint = 42)
      : kv(kShape, max_tokens, max_seqs, fingerprint) {}

  void write(std::int32_t seq, std::int64_t first, const std::vector<float>& ids) {
    for (std::int64_t layer = 0; layer < kShape.n_layers; ++layer) {
      for (std::size_t i = 0; i < ids.size(); ++i) {
        const auto k = row_of(layer, ids[i], 1.0f);
        const auto v = row_of(layer, ids[i], -1.0f);
        kv.write(layer, seq, first + static_cast<std::int64_t>(i), 1, k.data(), v.data(), kWidth, 0, 1);
        kv.write(layer, seq, first + static_cast<std::int64_t>(i), 1, k.data(), v.data(), kWidth, 1, 3);
      }
    }
  }
  /// Appends rows `ids` to a sequence.
  void append(std::int32_t seq, const std::vector<float>& ids) {
    const std::int64_t first = kv.length(seq);
    KvCache::Append append(kv, {{seq, kv.last_position(seq) + 1, static_cast<std::int64_t>(ids.size())}});
    write(seq, first, ids);
    append.commit();
  }
  /// The ids of the rows that the sequence holds, read the way attention reads them; -1 where K, V or a layer disagree.
  std::vector<float> rows(std::int32_t seq) const {
    std::vector<float> ids;
    for (std::int64_t row = 0; row < kv.length(seq); ++row) {
      const float id = (k_at(0, seq, row, 0, 0)) / 1000;
      bool whole = true;
      for (std::int64_t layer = 0; layer < kShape.n_layers; ++layer) {
        const auto expected = row_of(layer, id, 1.0f);
        for (std::int64_t i = 0; i < kWidth; ++i) {
          const float value = expected[static_cast<std::size_t>(i)];
          whole = whole && k_at(layer, seq, row, i / 20, i % 20) == value &&
                  v_at(layer, seq, row, i / 20, i % 20) == -value;
        }
      }
      ids.push_back(whole ? id : -1.0f);
    }
    return ids;
  }
  float k_at(std::int64_t layer, std::int32_t seq, std::int64_t row, std::int64_t h, std::int64_t d) const {
    const KvHeadView head = kv.head(layer, h);
    return head.k[kv.blocks(seq)[row / kKvBlock] * head.k_block_stride + d * kKvBlock + row % kKvBlock];
  }
  float v_at(std::int64_t layer, std::int32_t seq, std::int64_t row, std::int64_t h, std::int64_t d) const {
    const KvHeadView head = kv.head(layer, h);
    return head.v[kv.blocks(seq)[row / kKvBlock] * head.v_block_stride +
                  ((d / kKvBlock) * kKvBlock + row % kKvBlock) * kKvBlock + d % kKvBlock];
  }
  std::uint32_t free_tokens() const { return kv.usage().free_tokens; }
  std::vector<std::int32_t> range(std::int32_t seq) const { return {kv.first_position(seq), kv.last_position(seq)}; }

  KvCache kv;
};

std::vector<float> ids(int begin, int end) {
  std::vector<float> all;
  for (int i = begin; i < end; ++i)
    all.push_back(static_cast<float>(i));
  return all;
}
std::vector<float> join(std::vector<float> a, const std::vector<float>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// A stream that moves at most `step` bytes at a time.
struct Stream {
  std::vector<unsigned char> bytes;
  std::size_t at = 0;
  std::uint64_t step = 7;
  bool broken = false;
  llorch_writer writer() {
    return {this, [](void* impl, const void* p, std::uint64_t n) {
              auto& s = *static_cast<Stream*>(impl);
              if (s.broken) return std::int64_t{-1};
              n = std::min(n, s.step);
              const auto* from = static_cast<const unsigned char*>(p);
              s.bytes.insert(s.bytes.end(), from, from + n);
              return static_cast<std::int64_t>(n);
            }};
  }
  llorch_reader reader() {
    return {this, [](void* impl, void* p, std::uint64_t n) {
              auto& s = *static_cast<Stream*>(impl);
              if (s.broken) return std::int64_t{-1};
              n = std::min({n, s.step, static_cast<std::uint64_t>(s.bytes.size() - s.at)});
              if (n > 0) std::memcpy(p, s.bytes.data() + s.at, n);
              s.at += n;
              return static_cast<std::int64_t>(n);
            }};
  }
};

auto with_status(llorch_status status) {
  return [status](const Failure& failure) {
    if (failure.status() != status) BOOST_TEST_MESSAGE("status " << failure.status() << ": " << failure.what());
    return failure.status() == status;
  };
}

}  // namespace

BOOST_AUTO_TEST_SUITE(kv_cache)

BOOST_AUTO_TEST_CASE(rows_come_back_in_order_across_block_borders) {
  Cache c;
  c.append(1, ids(1, 6));
  c.append(1, ids(6, 40));
  BOOST_TEST(c.rows(1) == ids(1, 40), boost::test_tools::per_element());
  BOOST_TEST(c.range(1) == (std::vector<std::int32_t>{0, 38}), boost::test_tools::per_element());
  BOOST_TEST(c.free_tokens() == 96u - 48u);
  BOOST_TEST(c.kv.usage().n_seqs == 1u);
}

BOOST_AUTO_TEST_CASE(an_append_that_is_not_committed_leaves_no_trace) {
  Cache c;
  c.append(0, ids(1, 10));
  c.kv.copy(0, 1, -1, -1);
  const auto before = c.free_tokens();
  { KvCache::Append append(c.kv, {{0, 9, 30}, {1, 9, 3}}); }
  BOOST_TEST(c.rows(0) == ids(1, 10), boost::test_tools::per_element());
  BOOST_TEST(c.rows(1) == ids(1, 10), boost::test_tools::per_element());
  BOOST_TEST(c.free_tokens() == before);
}

BOOST_AUTO_TEST_CASE(too_many_rows_are_no_kv_space_and_change_nothing) {
  Cache c(32, 2);
  c.append(0, ids(1, 18));
  BOOST_CHECK_EXCEPTION(c.append(1, ids(1, 2)), Failure, with_status(LLORCH_NO_KV_SPACE));
  BOOST_CHECK_EXCEPTION(c.append(0, ids(1, 17)), Failure, with_status(LLORCH_NO_KV_SPACE));
  BOOST_TEST(c.kv.length(0) == 17);
  BOOST_TEST(c.kv.length(1) == 0);
  c.append(0, ids(18, 33));
  BOOST_TEST(c.rows(0) == ids(1, 33), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_copy_takes_no_memory_until_one_side_goes_on) {
  Cache c;
  c.append(0, ids(1, 20));
  const auto before = c.free_tokens();
  c.kv.copy(0, 2, -1, -1);
  BOOST_TEST(c.free_tokens() == before);
  c.append(2, ids(50, 52));
  BOOST_TEST(c.free_tokens() == before - 16);
  c.append(0, ids(20, 22));
  BOOST_TEST(c.free_tokens() == before - 16);  // the block is its own again
  BOOST_TEST(c.rows(0) == ids(1, 22), boost::test_tools::per_element());
  BOOST_TEST(c.rows(2) == join(ids(1, 20), ids(50, 52)), boost::test_tools::per_element());
  c.kv.remove(0, -1, -1);
  BOOST_TEST(c.rows(2) == join(ids(1, 20), ids(50, 52)), boost::test_tools::per_element());
  c.kv.remove(2, -1, -1);
  BOOST_TEST(c.free_tokens() == 96u);
}

BOOST_AUTO_TEST_CASE(two_sharers_that_go_on_in_one_batch_each_get_a_block_of_their_own) {
  Cache c(48, 2);
  c.append(0, ids(1, 10));
  c.kv.copy(0, 1, -1, -1);
  {
    KvCache::Append append(c.kv, {{0, 9, 1}, {1, 9, 1}});
    c.write(0, 9, {10});
    c.write(1, 9, {11});
    append.commit();
  }
  BOOST_TEST(c.rows(0) == ids(1, 11), boost::test_tools::per_element());
  BOOST_TEST(c.rows(1) == join(ids(1, 10), {11}), boost::test_tools::per_element());
  BOOST_TEST(c.free_tokens() == 16u);  // nobody needs the block they shared
}

BOOST_AUTO_TEST_CASE(an_append_of_sharers_of_different_lengths_that_is_not_committed_leaves_no_trace) {
  Cache c;
  c.append(0, ids(1, 21));
  c.kv.copy(0, 1, 0, 18);
  const auto before = c.free_tokens();
  {
    KvCache::Append append(c.kv, {{0, 20, 2}, {1, 18, 2}});
    c.write(0, 20, {60, 61});
    c.write(1, 18, {70, 71});
  }
  BOOST_TEST(c.rows(0) == ids(1, 21), boost::test_tools::per_element());
  BOOST_TEST(c.rows(1) == ids(1, 19), boost::test_tools::per_element());
  BOOST_TEST(c.free_tokens() == before);
}

BOOST_AUTO_TEST_CASE(a_copy_of_a_range_holds_its_positions_and_replaces_what_was_there) {
  Cache c;
  c.append(0, ids(1, 41));
  c.append(1, ids(60, 63));
  c.kv.copy(0, 1, 5, 30);
  BOOST_TEST(c.rows(1) == ids(6, 31), boost::test_tools::per_element());
  BOOST_TEST(c.range(1) == (std::vector<std::int32_t>{5, 29}), boost::test_tools::per_element());
  c.kv.copy(0, 1, 16, 35);
  BOOST_TEST(c.rows(1) == ids(17, 36), boost::test_tools::per_element());
  c.kv.copy(0, 1, 7, 7);
  BOOST_TEST(c.kv.length(1) == 0);
  BOOST_CHECK_EXCEPTION(c.kv.copy(0, 0, -1, -1), Failure, with_status(LLORCH_INVALID_ARGUMENT));
}

BOOST_AUTO_TEST_CASE(an_unaligned_copy_without_room_changes_nothing) {
  Cache c(48, 2);
  c.append(0, ids(1, 33));
  c.append(1, ids(60, 63));
  BOOST_CHECK_EXCEPTION(c.kv.copy(0, 1, 3, 30), Failure, with_status(LLORCH_NO_KV_SPACE));
  BOOST_TEST(c.rows(1) == ids(60, 63), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(removing_the_end_lets_the_sequence_go_on_from_there) {
  Cache c;
  c.append(0, ids(1, 41));
  c.kv.remove(0, 20, -1);
  BOOST_TEST(c.range(0) == (std::vector<std::int32_t>{0, 19}), boost::test_tools::per_element());
  BOOST_TEST(c.free_tokens() == 96u - 32u);
  c.append(0, ids(70, 75));
  BOOST_TEST(c.rows(0) == join(ids(1, 21), ids(70, 75)), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(removing_the_middle_keeps_the_other_rows_and_the_sharers) {
  Cache c;
  c.append(0, ids(1, 41));
  c.kv.copy(0, 1, -1, -1);
  c.kv.remove(1, 5, 12);
  BOOST_TEST(c.rows(0) == ids(1, 41), boost::test_tools::per_element());
  BOOST_TEST(c.rows(1) == join(ids(1, 6), ids(13, 41)), boost::test_tools::per_element());
  BOOST_TEST(c.range(1) == (std::vector<std::int32_t>{0, 39}), boost::test_tools::per_element());
  c.kv.remove(1, 0, 5);
  BOOST_TEST(c.range(1) == (std::vector<std::int32_t>{12, 39}), boost::test_tools::per_element());
  c.kv.remove(1, 50, 60);  // nothing there
  BOOST_TEST(c.rows(1) == ids(13, 41), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(removing_the_middle_of_shared_blocks_without_room_changes_nothing) {
  Cache c(48, 2);
  c.append(0, ids(1, 41));
  c.kv.copy(0, 1, -1, -1);
  BOOST_CHECK_EXCEPTION(c.kv.remove(1, 5, 12), Failure, with_status(LLORCH_NO_KV_SPACE));
  BOOST_TEST(c.rows(1) == ids(1, 41), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_shift_renumbers_and_never_meets_a_neighbour) {
  Cache c;
  c.append(0, ids(1, 21));
  c.kv.remove(0, 4, 8);
  c.kv.shift(0, 8, -1, -4);
  BOOST_TEST(c.range(0) == (std::vector<std::int32_t>{0, 15}), boost::test_tools::per_element());
  BOOST_TEST(c.rows(0) == join(ids(1, 5), ids(9, 21)), boost::test_tools::per_element());
  const std::vector<std::vector<std::int32_t>> refused = {{4, -1, -1},  {0, 4, 1},         {0, 4, -1},
                                                          {4, -1, 100}, {0, 4, INT32_MIN}, {4, -1, INT32_MAX}};
  for (const auto& shift : refused) {
    BOOST_CHECK_EXCEPTION(c.kv.shift(0, shift[0], shift[1], shift[2]), Failure, with_status(LLORCH_INVALID_ARGUMENT));
  }
  c.kv.shift(0, -1, -1, 84);
  BOOST_TEST(c.range(0) == (std::vector<std::int32_t>{84, 99}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_shift_with_a_rotation_turns_the_keys_of_the_range_and_of_no_copy) {
  Cache c;
  c.append(0, ids(1, 21));
  c.kv.copy(0, 1, -1, -1);
  const std::vector<float> cosines = {0.0f, 1.0f};  // a quarter turn of the first pair, none of the second
  const std::vector<float> sines = {1.0f, 0.0f};
  const KeyRotation quarter = {cosines.data(), sines.data(), 2};
  c.kv.shift(0, 18, -1, 2, &quarter);
  BOOST_TEST(c.rows(1) == ids(1, 21), boost::test_tools::per_element());
  for (std::int64_t row = 0; row < 20; ++row) {
    const float turned = row >= 18 ? 1.0f : 0.0f;
    for (std::int64_t layer = 0; layer < kShape.n_layers; ++layer) {
      for (std::int64_t head = 0; head < kShape.n_heads; ++head) {
        const auto was = [&](std::int64_t d) { return c.k_at(layer, 1, row, head, d); };
        const auto is = [&](std::int64_t d) { return c.k_at(layer, 0, row, head, d); };
        BOOST_TEST(is(0) == (turned != 0 ? -was(1) : was(0)));
        BOOST_TEST(is(1) == (turned != 0 ? was(0) : was(1)));
        for (std::int64_t d = 2; d < kShape.head_dim; ++d)
          BOOST_TEST(is(d) == was(d));
        BOOST_TEST(c.v_at(layer, 0, row, head, 0) == c.v_at(layer, 1, row, head, 0));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_rotation_that_finds_no_room_for_its_own_copy_changes_nothing) {
  Cache c(32, 2);
  c.append(0, ids(1, 21));
  c.kv.copy(0, 1, -1, -1);
  const float cosine = 0.0f;
  const float sine = 1.0f;
  const KeyRotation quarter = {&cosine, &sine, 1};
  BOOST_CHECK_EXCEPTION(c.kv.shift(1, -1, -1, 3, &quarter), Failure, with_status(LLORCH_NO_KV_SPACE));
  BOOST_TEST(c.range(1) == (std::vector<std::int32_t>{0, 19}), boost::test_tools::per_element());
  BOOST_TEST(c.rows(1) == ids(1, 21), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_window_begins_at_a_position_not_at_a_row) {
  Cache c;
  c.append(0, ids(1, 21));  // positions 0..19
  BOOST_TEST(c.kv.window_begin(0, 19, 0) == 0);
  BOOST_TEST(c.kv.window_begin(0, 19, 1) == 19);
  BOOST_TEST(c.kv.window_begin(0, 19, 5) == 15);
  BOOST_TEST(c.kv.window_begin(0, 3, 5) == 0);
  BOOST_TEST(c.kv.window_begin(0, 19, 100) == 0);
  c.kv.remove(0, 10, 18);  // row 11 is position 19
  BOOST_TEST(c.kv.window_begin(0, 11, 5) == 10);
  BOOST_TEST(c.kv.window_begin(0, 11, 11) == 9);
}

BOOST_AUTO_TEST_CASE(a_saved_sequence_loads_into_another_cache_of_the_same_model) {
  Cache from;
  from.append(0, ids(1, 38));
  from.kv.remove(0, 3, 5);
  Stream stream;
  from.kv.save(0, stream.writer());
  Cache to(48, 2);
  to.append(1, ids(60, 80));
  to.kv.load(1, stream.reader());
  BOOST_TEST(to.rows(1) == from.rows(0), boost::test_tools::per_element());
  BOOST_TEST(to.range(1) == from.range(0), boost::test_tools::per_element());
  BOOST_TEST(stream.at == stream.bytes.size());
}

BOOST_AUTO_TEST_CASE(an_empty_sequence_can_be_saved_and_loaded) {
  Cache c;
  Stream stream;
  c.kv.save(0, stream.writer());
  c.append(1, ids(1, 5));
  c.kv.load(1, stream.reader());
  BOOST_TEST(c.kv.length(1) == 0);
}

BOOST_AUTO_TEST_CASE(a_damaged_or_short_state_is_refused_and_changes_nothing) {
  Cache c;
  c.append(0, ids(1, 8));
  Stream saved;
  saved.step = 1u << 20;
  c.kv.save(0, saved.writer());
  c.append(1, ids(60, 80));
  const auto before = c.free_tokens();
  const auto refuses = [&](Stream stream) {
    BOOST_CHECK_EXCEPTION(c.kv.load(1, stream.reader()), Failure, with_status(LLORCH_BAD_STATE));
  };
  for (std::size_t i = 0; i < saved.bytes.size(); i += i < 128 ? 1 : 211) {
    Stream flipped = saved;
    flipped.bytes[i] ^= 0x10;
    refuses(flipped);
    Stream cut = saved;
    cut.bytes.resize(i);
    refuses(cut);
  }
  Cache other(96, 4, 43);  // another model
  BOOST_CHECK_EXCEPTION(other.kv.load(1, Stream(saved).reader()), Failure, with_status(LLORCH_BAD_STATE));
  BOOST_TEST(c.rows(1) == ids(60, 80), boost::test_tools::per_element());
  BOOST_TEST(c.free_tokens() == before);
}

BOOST_AUTO_TEST_CASE(streams_that_fail_are_device_errors) {
  Cache c;
  c.append(0, ids(1, 8));
  Stream stream;
  stream.broken = true;
  BOOST_CHECK_EXCEPTION(c.kv.save(0, stream.writer()), Failure, with_status(LLORCH_DEVICE_ERROR));
  BOOST_CHECK_EXCEPTION(c.kv.load(0, stream.reader()), Failure, with_status(LLORCH_DEVICE_ERROR));
  BOOST_TEST(c.rows(0) == ids(1, 8), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_state_that_does_not_fit_is_no_kv_space) {
  Cache from;
  from.append(0, ids(1, 38));
  Stream stream;
  from.kv.save(0, stream.writer());
  Cache to(32, 2);
  to.append(0, ids(1, 3));
  BOOST_CHECK_EXCEPTION(to.kv.load(0, stream.reader()), Failure, with_status(LLORCH_NO_KV_SPACE));
  BOOST_TEST(to.rows(0) == ids(1, 3), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(unknown_sequences_are_refused_by_every_operation) {
  Cache c;
  for (const std::int32_t seq : {-1, 4}) {
    BOOST_CHECK_EXCEPTION(c.kv.remove(seq, -1, -1), Failure, with_status(LLORCH_INVALID_ARGUMENT));
    BOOST_CHECK_EXCEPTION(c.kv.copy(0, seq, -1, -1), Failure, with_status(LLORCH_INVALID_ARGUMENT));
    BOOST_CHECK_EXCEPTION(c.kv.copy(seq, 0, -1, -1), Failure, with_status(LLORCH_INVALID_ARGUMENT));
    BOOST_CHECK_EXCEPTION(c.kv.shift(seq, -1, -1, 1), Failure, with_status(LLORCH_INVALID_ARGUMENT));
    BOOST_CHECK_EXCEPTION(c.kv.save(seq, Stream().writer()), Failure, with_status(LLORCH_INVALID_ARGUMENT));
    BOOST_CHECK_EXCEPTION(c.kv.load(seq, Stream().reader()), Failure, with_status(LLORCH_INVALID_ARGUMENT));
  }
}

BOOST_AUTO_TEST_CASE(a_cache_larger_than_any_memory_is_out_of_memory) {
  const KvShape huge = {.n_layers = 512, .n_heads = 1 << 14, .head_dim = 64, .max_positions = 1 << 24};
  BOOST_CHECK_EXCEPTION(KvCache(huge, 0xffffffff, 1, 0), Failure, with_status(LLORCH_OUT_OF_MEMORY));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace llorch::cpu
