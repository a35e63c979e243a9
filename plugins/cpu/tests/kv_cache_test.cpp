#include "cpu/kv_cache/kv_cache.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <map>
#include <ostream>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "common/base/failure.hpp"
#include "kv_support.hpp"

namespace llorch::cpu {
namespace {

using common::Failure;
using common::KeyRotation;
using common::kv_type_name;
using common::KvShape;

/// A head of two parts, the second one short.
constexpr std::int64_t kHeadDim = 40;
constexpr std::int64_t kHeads = 3;
constexpr std::int64_t kLayers = 2;
constexpr std::int64_t kWidth = kHeads * kHeadDim;

/// Each type on either side.
struct Types {
  KvType k = KvType::kF32, v = KvType::kF32;
  friend std::ostream& operator<<(std::ostream& out, const Types& types) {
    return out << "keys " << kv_type_name(types.k) << ", values " << kv_type_name(types.v);
  }
};
const std::vector<Types> kTypes = {
    {KvType::kF32, KvType::kF32}, {KvType::kF16, KvType::kQ8_0}, {KvType::kQ8_0, KvType::kF16}};

KvShape shape_of(const Types& types) {
  return {.n_layers = kLayers,
          .n_heads = kHeads,
          .head_dim = kHeadDim,
          .max_positions = 100,
          .k_type = types.k,
          .v_type = types.v};
}

/// What the test writes for row `id`: keys and values, layers and rows all differ.
std::vector<float> row_of(std::int64_t layer, float id, bool values) {
  std::mt19937 random(static_cast<unsigned>(id) * 16 + static_cast<unsigned>(layer) * 2 + (values ? 1 : 0));
  std::vector<float> row(kWidth);
  for (float& x : row)
    x = static_cast<float>(random() % 20001) / 1000.0f - 10.0f;
  return row;
}

/// The same as a cache of that type holds it.
std::vector<float> stored(KvType type, const std::vector<float>& row) {
  std::vector<float> out;
  for (std::int64_t h = 0; h < kHeads; ++h) {
    testing::StoredBlocks block(type, false, kHeadDim, 1);
    const auto first = row.begin() + h * kHeadDim;
    const auto head = block.set_row(0, 0, std::vector<float>(first, first + kHeadDim));
    out.insert(out.end(), head.begin(), head.end());
  }
  return out;
}

struct Cache {
  explicit Cache(const Types& the_types, std::int64_t max_tokens = 96, std::int32_t max_seqs = 4,
                 std::uint64_t fingerprint = 42)
      : types(the_types), kv(shape_of(the_types), max_tokens, max_seqs, fingerprint) {}

  void write(std::int32_t seq, std::int64_t first, const std::vector<float>& ids) {
    for (std::int64_t layer = 0; layer < kLayers; ++layer) {
      for (std::size_t i = 0; i < ids.size(); ++i) {
        const auto k = row_of(layer, ids[i], false);
        const auto v = row_of(layer, ids[i], true);
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
  /// The ids of the rows that the sequence holds, read the way attention reads them; -1 where they are of no row.
  std::vector<float> rows(std::int32_t seq) const {
    std::vector<float> ids;
    for (std::int64_t row = 0; row < kv.length(seq); ++row) {
      float found = -1.0f;
      for (float id = 0; found < 0 && id < 100; ++id)
        found = is_row(seq, row, id) ? id : -1.0f;
      ids.push_back(found);
    }
    return ids;
  }
  bool is_row(std::int32_t seq, std::int64_t row, float id) const {
    for (std::int64_t layer = 0; layer < kLayers; ++layer) {
      for (const bool values : {false, true}) {
        const auto& expected = stored_row(layer, id, values);
        for (std::int64_t i = 0; i < kWidth; ++i) {
          const float found = values ? v_at(layer, seq, row, i / kHeadDim, i % kHeadDim)
                                     : k_at(layer, seq, row, i / kHeadDim, i % kHeadDim);
          if (found != expected[static_cast<std::size_t>(i)]) return false;
        }
      }
    }
    return true;
  }
  const std::vector<float>& stored_row(std::int64_t layer, float id, bool values) const {
    auto& row = expected_[{layer, static_cast<int>(id), values}];
    if (row.empty()) row = stored(values ? types.v : types.k, row_of(layer, id, values));
    return row;
  }
  float k_at(std::int64_t layer, std::int32_t seq, std::int64_t row, std::int64_t h, std::int64_t d) const {
    const KvHeadView head = kv.head(layer, h);
    const unsigned char* block = head.k + kv.blocks(seq)[row / kKvBlock] * head.k_block_stride;
    return element(types.k, block, kHeadDim, d * kKvBlock + row % kKvBlock, d, row);
  }
  float v_at(std::int64_t layer, std::int32_t seq, std::int64_t row, std::int64_t h, std::int64_t d) const {
    const KvHeadView head = kv.head(layer, h);
    const unsigned char* block = head.v + kv.blocks(seq)[row / kKvBlock] * head.v_block_stride;
    return element(types.v, block, round_up(kHeadDim, 16),
                   ((d / kKvBlock) * kKvBlock + row % kKvBlock) * kKvBlock + d % kKvBlock, d, row);
  }
  /// Element `at` of a block that holds `padded` components of each position.
  static float element(KvType type, const unsigned char* block, std::int64_t padded, std::int64_t at, std::int64_t d,
                       std::int64_t row) {
    float value = 0;
    std::uint16_t half = 0;
    if (type == KvType::kF32) std::memcpy(&value, block + at * 4, 4);
    if (type == KvType::kF16) std::memcpy(&half, block + at * 2, 2);
    if (type == KvType::kQ8_0) {
      std::memcpy(&half, block + padded * kKvBlock + (d / 32 * kKvBlock + row % kKvBlock) * 2, 2);
      value = static_cast<float>(static_cast<std::int8_t>(block[at]));
    }
    if (type == KvType::kF16) value = static_cast<float>(testing::half_value(half));
    if (type == KvType::kQ8_0) value *= static_cast<float>(testing::half_value(half));
    return value;
  }
  std::uint32_t free_tokens() const { return kv.usage().free_tokens; }
  std::vector<std::int32_t> range(std::int32_t seq) const { return {kv.first_position(seq), kv.last_position(seq)}; }

  Types types;
  KvCache kv;

 private:
  mutable std::map<std::tuple<std::int64_t, int, bool>, std::vector<float>> expected_;
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

const auto all_types = boost::unit_test::data::make(kTypes);

BOOST_AUTO_TEST_SUITE(kv_cache)

BOOST_DATA_TEST_CASE(rows_come_back_in_order_across_block_borders, all_types) {
  Cache c(sample);
  c.append(1, ids(1, 6));
  c.append(1, ids(6, 40));
  BOOST_TEST(c.rows(1) == ids(1, 40), boost::test_tools::per_element());
  BOOST_TEST(c.range(1) == (std::vector<std::int32_t>{0, 38}), boost::test_tools::per_element());
  BOOST_TEST(c.free_tokens() == 96u - 48u);
  BOOST_TEST(c.kv.usage().n_seqs == 1u);
}

BOOST_DATA_TEST_CASE(an_append_that_is_not_committed_leaves_no_trace, all_types) {
  Cache c(sample);
  c.append(0, ids(1, 10));
  c.kv.copy(0, 1, -1, -1);
  const auto before = c.free_tokens();
  { KvCache::Append append(c.kv, {{0, 9, 30}, {1, 9, 3}}); }
  BOOST_TEST(c.rows(0) == ids(1, 10), boost::test_tools::per_element());
  BOOST_TEST(c.rows(1) == ids(1, 10), boost::test_tools::per_element());
  BOOST_TEST(c.free_tokens() == before);
}

BOOST_DATA_TEST_CASE(too_many_rows_are_no_kv_space_and_change_nothing, all_types) {
  Cache c(sample, 32, 2);
  c.append(0, ids(1, 18));
  BOOST_CHECK_EXCEPTION(c.append(1, ids(1, 2)), Failure, with_status(LLORCH_NO_KV_SPACE));
  BOOST_CHECK_EXCEPTION(c.append(0, ids(1, 17)), Failure, with_status(LLORCH_NO_KV_SPACE));
  BOOST_TEST(c.kv.length(0) == 17);
  BOOST_TEST(c.kv.length(1) == 0);
  c.append(0, ids(18, 33));
  BOOST_TEST(c.rows(0) == ids(1, 33), boost::test_tools::per_element());
}

BOOST_DATA_TEST_CASE(a_copy_takes_no_memory_until_one_side_goes_on, all_types) {
  Cache c(sample);
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

BOOST_DATA_TEST_CASE(two_sharers_that_go_on_in_one_batch_each_get_a_block_of_their_own, all_types) {
  Cache c(sample, 48, 2);
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

BOOST_DATA_TEST_CASE(an_append_of_sharers_of_different_lengths_that_is_not_committed_leaves_no_trace, all_types) {
  Cache c(sample);
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

BOOST_DATA_TEST_CASE(a_copy_of_a_range_holds_its_positions_and_replaces_what_was_there, all_types) {
  Cache c(sample);
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

BOOST_DATA_TEST_CASE(an_unaligned_copy_without_room_changes_nothing, all_types) {
  Cache c(sample, 48, 2);
  c.append(0, ids(1, 33));
  c.append(1, ids(60, 63));
  BOOST_CHECK_EXCEPTION(c.kv.copy(0, 1, 3, 30), Failure, with_status(LLORCH_NO_KV_SPACE));
  BOOST_TEST(c.rows(1) == ids(60, 63), boost::test_tools::per_element());
}

BOOST_DATA_TEST_CASE(removing_the_end_lets_the_sequence_go_on_from_there, all_types) {
  Cache c(sample);
  c.append(0, ids(1, 41));
  c.kv.remove(0, 20, -1);
  BOOST_TEST(c.range(0) == (std::vector<std::int32_t>{0, 19}), boost::test_tools::per_element());
  BOOST_TEST(c.free_tokens() == 96u - 32u);
  c.append(0, ids(70, 75));
  BOOST_TEST(c.rows(0) == join(ids(1, 21), ids(70, 75)), boost::test_tools::per_element());
}

BOOST_DATA_TEST_CASE(removing_the_middle_keeps_the_other_rows_and_the_sharers, all_types) {
  Cache c(sample);
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

BOOST_DATA_TEST_CASE(removing_the_middle_of_shared_blocks_without_room_changes_nothing, all_types) {
  Cache c(sample, 48, 2);
  c.append(0, ids(1, 41));
  c.kv.copy(0, 1, -1, -1);
  BOOST_CHECK_EXCEPTION(c.kv.remove(1, 5, 12), Failure, with_status(LLORCH_NO_KV_SPACE));
  BOOST_TEST(c.rows(1) == ids(1, 41), boost::test_tools::per_element());
}

BOOST_DATA_TEST_CASE(a_shift_renumbers_and_never_meets_a_neighbour, all_types) {
  Cache c(sample);
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

BOOST_DATA_TEST_CASE(a_shift_with_a_rotation_turns_the_keys_of_the_range_and_of_no_copy, all_types) {
  Cache c(sample);
  c.append(0, ids(1, 21));
  c.kv.copy(0, 1, -1, -1);
  const std::vector<float> cosines = {0.0f, 1.0f};  // a quarter turn of the first pair, none of the second
  const std::vector<float> sines = {1.0f, 0.0f};
  const KeyRotation quarter = {cosines.data(), sines.data(), 2};
  c.kv.shift(0, 18, -1, 2, &quarter);
  BOOST_TEST(c.rows(1) == ids(1, 21), boost::test_tools::per_element());
  for (std::int64_t row = 0; row < 20; ++row) {
    const float turned = row >= 18 ? 1.0f : 0.0f;
    for (std::int64_t layer = 0; layer < kLayers; ++layer) {
      for (std::int64_t head = 0; head < kHeads; ++head) {
        const auto was = [&](std::int64_t d) { return c.k_at(layer, 1, row, head, d); };
        const auto is = [&](std::int64_t d) { return c.k_at(layer, 0, row, head, d); };
        BOOST_TEST(is(0) == (turned != 0 ? -was(1) : was(0)));
        BOOST_TEST(is(1) == (turned != 0 ? was(0) : was(1)));
        for (std::int64_t d = 2; d < kHeadDim; ++d)
          BOOST_TEST(is(d) == was(d));
        BOOST_TEST(c.v_at(layer, 0, row, head, 0) == c.v_at(layer, 1, row, head, 0));
      }
    }
  }
}

BOOST_DATA_TEST_CASE(a_rotation_that_finds_no_room_for_its_own_copy_changes_nothing, all_types) {
  Cache c(sample, 32, 2);
  c.append(0, ids(1, 21));
  c.kv.copy(0, 1, -1, -1);
  const float cosine = 0.0f;
  const float sine = 1.0f;
  const KeyRotation quarter = {&cosine, &sine, 1};
  BOOST_CHECK_EXCEPTION(c.kv.shift(1, -1, -1, 3, &quarter), Failure, with_status(LLORCH_NO_KV_SPACE));
  BOOST_TEST(c.range(1) == (std::vector<std::int32_t>{0, 19}), boost::test_tools::per_element());
  BOOST_TEST(c.rows(1) == ids(1, 21), boost::test_tools::per_element());
}

BOOST_DATA_TEST_CASE(a_window_begins_at_a_position_not_at_a_row, all_types) {
  Cache c(sample);
  c.append(0, ids(1, 21));  // positions 0..19
  BOOST_TEST(c.kv.window_begin(0, 19, 0) == 0);
  BOOST_TEST(c.kv.window_begin(0, 19, 1) == 19);
  BOOST_TEST(c.kv.window_begin(0, 19, 5) == 15);
  BOOST_TEST(c.kv.window_begin(0, 3, 5) == 0);
  BOOST_TEST(c.kv.window_begin(0, 19, 100) == 0);
  c.kv.remove(0, 10, 18);  // row 11 is position 19
  BOOST_TEST(c.kv.window_begin(0, 11, 5) == 10);
  BOOST_TEST(c.kv.window_begin(0, 11, 11) == 9);
  BOOST_TEST(c.kv.window_begin(0, 11, 15) == 5);  // more positions in the window than rows before this one
  BOOST_TEST(c.kv.window_begin(0, 11, 20) == 0);
}

BOOST_DATA_TEST_CASE(a_saved_sequence_loads_into_another_cache_of_the_same_model, all_types) {
  Cache from(sample);
  from.append(0, ids(1, 38));
  from.kv.remove(0, 3, 5);
  Stream stream;
  from.kv.save(0, stream.writer());
  Cache to(sample, 48, 2);
  to.append(1, ids(60, 80));
  to.kv.load(1, stream.reader());
  BOOST_TEST(to.rows(1) == from.rows(0), boost::test_tools::per_element());
  BOOST_TEST(to.range(1) == from.range(0), boost::test_tools::per_element());
  BOOST_TEST(stream.at == stream.bytes.size());
}

BOOST_DATA_TEST_CASE(an_empty_sequence_can_be_saved_and_loaded, all_types) {
  Cache c(sample);
  Stream stream;
  c.kv.save(0, stream.writer());
  c.append(1, ids(1, 5));
  c.kv.load(1, stream.reader());
  BOOST_TEST(c.kv.length(1) == 0);
}

BOOST_DATA_TEST_CASE(a_damaged_or_short_state_is_refused_and_changes_nothing, all_types) {
  Cache c(sample);
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
  Cache other(sample, 96, 4, 43);  // another model
  BOOST_CHECK_EXCEPTION(other.kv.load(1, Stream(saved).reader()), Failure, with_status(LLORCH_BAD_STATE));
  BOOST_TEST(c.rows(1) == ids(60, 80), boost::test_tools::per_element());
  BOOST_TEST(c.free_tokens() == before);
}

BOOST_DATA_TEST_CASE(a_state_of_other_types_is_refused_by_their_names, all_types) {
  Cache c(sample);
  c.append(0, ids(1, 8));
  Stream saved;
  c.kv.save(0, saved.writer());
  for (const Types& others : kTypes) {
    if (others.k == sample.k && others.v == sample.v) continue;
    Cache other(others);
    other.append(1, ids(60, 80));
    const std::string expected =
        std::string("keys: expected ") + kv_type_name(others.k) + ", found " + kv_type_name(sample.k);
    BOOST_CHECK_EXCEPTION(other.kv.load(1, Stream(saved).reader()), Failure, [&](const Failure& failure) {
      return failure.status() == LLORCH_BAD_STATE && std::string(failure.what()).find(expected) != std::string::npos;
    });
    BOOST_TEST(other.rows(1) == ids(60, 80), boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(a_cache_takes_the_bytes_of_its_types) {
  const auto bytes = [](KvType k, KvType v, std::int64_t head_dim) {
    const KvShape shape = {
        .n_layers = 1, .n_heads = 1, .head_dim = head_dim, .max_positions = 16, .k_type = k, .v_type = v};
    const std::uint64_t estimated = KvCache::bytes_for(shape, 16);
    BOOST_TEST(KvCache(shape, 16, 1, 0).bytes() == estimated);
    return estimated / 16;
  };
  BOOST_TEST(bytes(KvType::kF32, KvType::kF32, 64) == 512u);
  BOOST_TEST(bytes(KvType::kF16, KvType::kF16, 64) == 256u);
  BOOST_TEST(bytes(KvType::kQ8_0, KvType::kQ8_0, 64) == 136u);
  BOOST_TEST(bytes(KvType::kF32, KvType::kQ8_0, 64) == 324u);
  BOOST_TEST(bytes(KvType::kQ8_0, KvType::kF16, 40) == 44u + 96u);  // values are padded to whole vectors
}

BOOST_DATA_TEST_CASE(streams_that_fail_are_device_errors, all_types) {
  Cache c(sample);
  c.append(0, ids(1, 8));
  Stream stream;
  stream.broken = true;
  BOOST_CHECK_EXCEPTION(c.kv.save(0, stream.writer()), Failure, with_status(LLORCH_DEVICE_ERROR));
  BOOST_CHECK_EXCEPTION(c.kv.load(0, stream.reader()), Failure, with_status(LLORCH_DEVICE_ERROR));
  BOOST_TEST(c.rows(0) == ids(1, 8), boost::test_tools::per_element());
}

BOOST_DATA_TEST_CASE(a_state_that_does_not_fit_is_no_kv_space, all_types) {
  Cache from(sample);
  from.append(0, ids(1, 38));
  Stream stream;
  from.kv.save(0, stream.writer());
  Cache to(sample, 32, 2);
  to.append(0, ids(1, 3));
  BOOST_CHECK_EXCEPTION(to.kv.load(0, stream.reader()), Failure, with_status(LLORCH_NO_KV_SPACE));
  BOOST_TEST(to.rows(0) == ids(1, 3), boost::test_tools::per_element());
}

BOOST_DATA_TEST_CASE(unknown_sequences_are_refused_by_every_operation, all_types) {
  Cache c(sample);
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
