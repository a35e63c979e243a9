// Rows on their way into the cache, and what happens to them there.
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "kv_support.hpp"

namespace llorch::cuda::testing {
namespace {

constexpr KvType kTypes3[] = {KvType::kF32, KvType::kF16, KvType::kQ8_0};
constexpr std::int64_t kHeads = 3, kDim = 42, kBlocks = 5, kLayers = 2;

std::vector<std::uint32_t> places_of(std::uint32_t first, std::size_t n) {
  std::vector<std::uint32_t> places;
  for (std::size_t i = 0; i < n; ++i)
    places.push_back(first + static_cast<std::uint32_t>(i));
  return places;
}

std::vector<float> rows_of(std::size_t n, unsigned seed) {
  return random_floats(n * static_cast<std::size_t>(kHeads * kDim), seed, 3.0f);
}

/// The largest error that a type makes in a row's head, by its largest magnitude.
double rounding(KvType type, const float* head) {
  float largest = 0;
  for (std::int64_t d = 0; d < kDim; ++d)
    largest = std::max(largest, std::fabs(head[d]));
  if (type == KvType::kF32) return 0.0;
  return static_cast<double>(largest) * (type == KvType::kF16 ? std::ldexp(1.0, -11) : 0.51 / 127.0);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(kv_rows, *needs_device())

BOOST_AUTO_TEST_CASE(queries_and_keys_turn_and_keys_and_values_are_stored_within_their_type) {
  Stream stream(kDevice);
  constexpr std::int64_t kRows = 3;
  constexpr std::int64_t kQueryHeads = 6;
  for (const KvType type : kTypes3) {
    for (const std::int64_t rotated : {std::int64_t{0}, std::int64_t{20}, kDim}) {
      const Cache cache(stream, type, type, kLayers, kBlocks, kHeads, kDim);
      const std::vector<float> q = random_floats(kRows * kQueryHeads * kDim, 1);
      const std::vector<float> k = rows_of(kRows, 2);
      const std::vector<float> v = rows_of(kRows, 3);
      const std::vector<float> cosines = random_floats(static_cast<std::size_t>(kRows * rotated), 4);
      std::vector<float> sines = random_floats(static_cast<std::size_t>(kRows * rotated), 5);
      const std::vector<std::uint32_t> places = {5, 79, 32};
      const DeviceRows q_rows(stream, kRows, kQueryHeads * kDim, q);
      const DeviceRows k_rows(stream, kRows, kHeads * kDim, k);
      const DeviceRows v_rows(stream, kRows, kHeads * kDim, v);
      const DeviceMemory device_places = on_device(stream, places);
      const DeviceMemory device_cosines = on_device(stream, cosines);
      const DeviceMemory device_sines = on_device(stream, sines);
      NewRows rows;
      rows.q = q_rows.view();
      rows.k = k_rows.view();
      rows.v = v_rows.view();
      rows.rotated = rotated;
      rows.cosines = device_cosines.as<float>();
      rows.sines = device_sines.as<float>();
      rows.places = device_places.as<std::uint32_t>();
      rotate_and_store(stream, rows, cache.view(), 1);

      const auto turned = [&](const std::vector<float>& x, std::int64_t heads) {
        std::vector<float> out = x;
        for (std::int64_t r = 0; r < kRows; ++r) {
          for (std::int64_t d = 0; d < heads * kDim; ++d) {
            if (d % kDim >= rotated) continue;
            const auto at = static_cast<std::size_t>(r * heads * kDim + d);
            const auto angle = static_cast<std::size_t>(r * rotated + d % kDim);
            out[at] = std::fma(x[at ^ 1U], sines[angle], x[at] * cosines[angle]);
          }
        }
        return out;
      };
      const std::vector<float> q_turned = turned(q, kQueryHeads);
      const std::vector<float> k_turned = turned(k, kHeads);
      BOOST_TEST(same_bits(q_turned.data(), q_rows.get().data(), q.size(), "queries"));
      BOOST_TEST(same_bits(k_turned.data(), k_rows.get().data(), k.size(), "keys in place"));
      BOOST_TEST(same_bits(v.data(), v_rows.get().data(), v.size(), "values in place"));
      for (const bool keys : {true, false}) {
        const std::vector<float>& expected = keys ? k_turned : v;
        const std::vector<float> found = cache.values(1, places, keys);
        double worst = 0;
        for (std::size_t i = 0; i < found.size(); ++i) {
          const double allowed = rounding(type, &expected[i / kDim * kDim]);
          worst = std::max(worst, std::fabs(static_cast<double>(found[i]) - expected[i]) - allowed);
        }
        BOOST_TEST(worst <= 0.0, common::kv_type_name(type) << (keys ? " keys: " : " values: ") << worst);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(codes_are_nearest_to_the_values_by_the_stored_scale_even_where_f16_is_coarse) {
  Stream stream(kDevice);
  for (int exponent = -30; exponent <= 8; exponent += 1) {
    const Cache cache(stream, KvType::kQ8_0, KvType::kQ8_0, 1, 1, kHeads, kDim);
    std::vector<float> x = rows_of(1, 40 + static_cast<unsigned>(exponent + 30));
    for (float& v : x)
      v = std::ldexp(v, exponent);
    cache.store(0, {5}, x, x);
    const auto saved = cache.saved(0, {5}, exponent % 2 == 0);
    double worst = 0;
    for (std::int64_t h = 0; h < kHeads; ++h) {
      for (std::int64_t d = 0; d < kDim; ++d) {
        const unsigned char* part = saved.data() + h * common::kv_row_bytes(KvType::kQ8_0, kDim) + d / 32 * 34;
        std::uint16_t half = 0;
        std::memcpy(&half, part, sizeof half);
        const double scale = half_value(half);
        const double value = scale * static_cast<std::int8_t>(part[2 + d % 32]);
        const double exact = x[static_cast<std::size_t>(h * kDim + d)];
        // A scale below the least f16 is zero, and so are the codes.
        const double allowed = scale == 0 ? 127.0 * std::ldexp(1.0, -25) : 0.5001 * scale;
        worst = std::max(worst, std::fabs(value - exact) / allowed);
      }
    }
    BOOST_TEST(worst <= 1.0, "magnitudes about 2^" << exponent);
  }
}

BOOST_AUTO_TEST_CASE(saved_rows_come_back_to_other_places_with_their_bytes) {
  Stream stream(kDevice);
  for (const KvType type : kTypes3) {
    const Cache cache(stream, type, type, kLayers, kBlocks, kHeads, kDim);
    const auto from = places_of(3, 20);
    const auto to = places_of(50, 20);
    cache.store(0, from, rows_of(20, 1), rows_of(20, 2));
    const auto k = cache.saved(0, from, true);
    const auto v = cache.saved(0, from, false);
    const DeviceMemory device_k = on_device(stream, k);
    const DeviceMemory device_v = on_device(stream, v);
    const DeviceMemory device_to = on_device(stream, to);
    write_kv_rows(stream, cache.view(), 1, device_to.as<std::uint32_t>(), 20, device_k.as<unsigned char>(),
                  device_v.as<unsigned char>());
    BOOST_TEST((cache.saved(1, to, true) == k), common::kv_type_name(type));
    BOOST_TEST((cache.saved(1, to, false) == v), common::kv_type_name(type));
  }
}

BOOST_AUTO_TEST_CASE(rows_move_up_in_order_and_blocks_are_copied_whole) {
  Stream stream(kDevice);
  for (const KvType k_type : kTypes3) {
    const KvType v_type = k_type == KvType::kF32 ? KvType::kQ8_0 : k_type;
    const Cache cache(stream, k_type, v_type, kLayers, kBlocks, kHeads, kDim);
    for (std::int64_t layer = 0; layer < kLayers; ++layer)
      cache.store(layer, places_of(0, 32), rows_of(32, 1 + static_cast<unsigned>(layer)), rows_of(32, 8));
    std::vector<std::uint32_t> moves;
    for (std::uint32_t i = 5; i < 32; ++i) {
      moves.push_back(i);
      moves.push_back(i - 3);
    }
    const auto before_k = cache.saved(1, places_of(5, 27), true);
    const auto before_v = cache.saved(1, places_of(5, 27), false);
    const DeviceMemory device_moves = on_device(stream, moves);
    copy_kv_rows(stream, cache.view(), device_moves.as<std::uint32_t>(), static_cast<std::int64_t>(moves.size() / 2));
    BOOST_TEST((cache.saved(1, places_of(2, 27), true) == before_k), common::kv_type_name(k_type));
    BOOST_TEST((cache.saved(1, places_of(2, 27), false) == before_v), common::kv_type_name(v_type));
    copy_kv_block(stream, cache.view(), 1, 4);
    for (std::int64_t layer = 0; layer < kLayers; ++layer) {
      for (const bool keys : {true, false})
        BOOST_TEST((cache.saved(layer, places_of(64, 16), keys) == cache.saved(layer, places_of(16, 16), keys)));
    }
  }
}

BOOST_AUTO_TEST_CASE(keys_turn_where_they_lie) {
  Stream stream(kDevice);
  for (const KvType type : kTypes3) {
    const Cache cache(stream, type, type, kLayers, kBlocks, kHeads, kDim);
    const auto places = places_of(14, 4);
    cache.store(1, places, rows_of(4, 1), rows_of(4, 2));
    cache.store(0, places, rows_of(4, 1), rows_of(4, 2));
    constexpr std::int64_t kPairs = 10;
    std::vector<float> cosines;
    std::vector<float> sines;
    for (int i = 0; i < kPairs; ++i) {
      cosines.push_back(std::cos(0.3f * static_cast<float>(i)));
      sines.push_back(std::sin(0.3f * static_cast<float>(i)));
    }
    const std::vector<float> before = cache.values(1, places, true);
    const auto values = cache.saved(1, places, false);
    const DeviceMemory device_places = on_device(stream, places);
    const DeviceMemory device_cosines = on_device(stream, cosines);
    const DeviceMemory device_sines = on_device(stream, sines);
    rotate_kv_keys(stream, cache.view(), device_places.as<std::uint32_t>(), 4, device_cosines.as<float>(),
                   device_sines.as<float>(), kPairs);
    const std::vector<float> after = cache.values(1, places, true);
    double worst = 0;
    for (std::size_t i = 0; i < after.size(); ++i) {
      const std::size_t d = i % kDim;
      double expected = before[i];
      if (d < 2 * kPairs) {
        const double sign = d % 2 == 0 ? -1.0 : 1.0;
        expected =
            static_cast<double>(before[i]) * cosines[d / 2] + sign * static_cast<double>(before[i ^ 1U]) * sines[d / 2];
      }
      const double allowed = 1.5 * rounding(type, &before[i / kDim * kDim]) + 1e-6;
      worst = std::max(worst, std::fabs(after[i] - expected) - allowed);
    }
    BOOST_TEST(worst <= 0.0, common::kv_type_name(type) << ": " << worst);
    BOOST_TEST((cache.saved(1, places, false) == values), "values stay");
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace llorch::cuda::testing
