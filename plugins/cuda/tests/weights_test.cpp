// Repacked weights: every element comes back out of the device's layout with its bits.
#include <boost/test/unit_test.hpp>

#include "kernel_support.hpp"

namespace llorch::cuda::testing {

BOOST_AUTO_TEST_SUITE(weights)

BOOST_AUTO_TEST_CASE(a_matrix_takes_at_most_five_percent_more_than_in_the_file) {
  // Q2_K: 4-bit scales become bytes.

  for (const WeightType type : kTypes) {
    for (const std::int64_t n_cols : {4096, 11008}) {
      const double file = static_cast<double>(common::stored_bytes(type, static_cast<std::uint64_t>(4096 * n_cols)));
      const double device = static_cast<double>(matrix_bytes(type, 4096, n_cols));
      BOOST_TEST(device >= file, name_of(type));
      BOOST_TEST(device <= (type == WeightType::kQ2_K ? 1.2 : 1.05) * file, name_of(type) << ": " << device / file);
    }
  }
}

BOOST_AUTO_TEST_CASE(segments_cover_all_columns_in_order) {
  for (std::int32_t units = 1; units < 100; ++units) {
    const int n = segment_count(units, 64);
    BOOST_TEST(n >= 1);
    BOOST_TEST(n <= kMostSegments);
    BOOST_TEST(segment_begin(units, 0, n) == 0);
    BOOST_TEST(segment_begin(units, n, n) == units);
    for (int i = 0; i < n; ++i)
      BOOST_TEST(segment_begin(units, i, n) < segment_begin(units, i + 1, n), units << " units, segment " << i);
  }
}

BOOST_AUTO_TEST_CASE(types_without_a_layout_are_refused) {
  BOOST_TEST(is_device_type(WeightType::kQ4_K));
  for (const WeightType type : kTypes)
    BOOST_TEST(std::string(device_type_names()).find(name_of(type)) != std::string::npos, name_of(type));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(weights_on_device, *needs_device())

BOOST_AUTO_TEST_CASE(rows_come_back_with_the_bits_of_the_definition) {
  Stream stream(kDevice);
  constexpr std::int64_t kRows = 211;
  for (const WeightType type : kTypes) {
    const std::int64_t unit = columns_of(type);
    for (const std::int64_t n_cols :
         {unit == 1 ? std::int64_t{151} : 3 * unit, unit == 1 ? std::int64_t{64} : 8 * unit}) {
      const Matrix matrix(stream, type, kRows, n_cols, 3);
      const std::vector<std::int32_t> ids = {0, 210, 7, 8, 15, 16, 208, 31, 32, 100};
      const DeviceMemory device_ids = on_device(stream, ids);
      const DeviceRows out(stream, static_cast<std::int64_t>(ids.size()), n_cols);
      gather_embeddings(stream, matrix.view(), device_ids.as<std::int32_t>(), out.view());
      const std::vector<float> found = out.get();
      for (std::size_t i = 0; i < ids.size(); ++i) {
        BOOST_TEST(same_bits(
            matrix.row(ids[i]), found.data() + i * static_cast<std::size_t>(n_cols), static_cast<std::size_t>(n_cols),
            std::string(name_of(type)) + ", " + std::to_string(n_cols) + " columns, row " + std::to_string(ids[i])));
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace llorch::cuda::testing
