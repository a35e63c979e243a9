// Rows of a matrix that the file holds transposed, in every size of element and of range.
#include "model_file/transposed_read.hpp"

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <string>
#include <vector>

#include "support/temporary_directory.hpp"

namespace {

using llorch::model_file::File;
using llorch::model_file::read_transposed;
using llorch::model_file::TransposedMatrix;

/// A stored (columns, rows) matrix behind 5 bytes of something else, and what reading it should give.
struct StoredTransposed {
  StoredTransposed(std::uint64_t rows, std::uint64_t columns, std::uint32_t bytes) {
    std::string stored(5 + rows * columns * bytes, '#');
    expected.resize(rows * columns * bytes);
    for (std::uint64_t r = 0; r < rows; ++r) {
      for (std::uint64_t c = 0; c < columns; ++c) {
        for (std::uint32_t b = 0; b < bytes; ++b) {
          const char value = static_cast<char>((r * 31 + c * 7 + b * 101) % 251);
          stored[5 + (c * rows + r) * bytes + b] = value;
          expected[(r * columns + c) * bytes + b] = value;
        }
      }
    }
    file = File::open(directory.write("matrix", stored)).value();
    matrix = {file.get(), 5, rows, columns, bytes};
  }
  void check(std::uint64_t offset, std::uint64_t size) const {
    std::string out(size, '\0');
    BOOST_REQUIRE(read_transposed(matrix, offset, std::as_writable_bytes(std::span(out))));
    BOOST_REQUIRE_MESSAGE(out == expected.substr(offset, size), matrix.rows << " x " << matrix.columns << " of "
                                                                            << matrix.element_bytes << " bytes, "
                                                                            << size << " from " << offset);
  }

  llorch::testing::TemporaryDirectory directory;
  std::shared_ptr<const File> file;
  std::string expected;
  TransposedMatrix matrix;
};

BOOST_AUTO_TEST_SUITE(transposed_reads)

BOOST_AUTO_TEST_CASE(the_whole_matrix_is_transposed_whatever_its_shape) {
  for (const std::uint32_t bytes : {1U, 2U, 4U, 8U}) {
    for (const std::uint64_t rows : {1U, 15U, 16U, 17U, 100U}) {
      for (const std::uint64_t columns : {1U, 16U, 33U, 300U}) {
        const StoredTransposed example(rows, columns, bytes);
        example.check(0, example.expected.size());
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(any_range_of_bytes_can_be_read) {
  const StoredTransposed example(9, 7, 4);
  for (std::uint64_t offset = 0; offset <= example.expected.size(); ++offset) {
    for (std::uint64_t size = 0; size <= example.expected.size() - offset; size += 1 + size / 5) {
      example.check(offset, size);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_matrix_larger_than_one_band_is_read_band_by_band) {
  const StoredTransposed example(3000, 150, 4);  // a stored row of 12 kB, 1.8 MB in all
  example.check(0, example.expected.size());
  example.check(600 * 16, 600 * 16);            // few rows: only their part of each stored row
  example.check(600 * 1000, 600 * 1990);        // many rows: whole stored rows
  example.check(600 * 100 + 13, 600 * 40 + 5);  // neither begins nor ends with a row
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
