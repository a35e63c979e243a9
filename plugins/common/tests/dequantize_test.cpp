#include "common/quant/dequantize.hpp"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "common/quant/block_formats.hpp"
#include "common/tests/quant_support.hpp"
#include "common/tests/test_support.hpp"

namespace llorch::common::testing {
namespace {

std::vector<char> fixture(const BlockFormat& format) {
  std::string name = format.name;
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  const auto path = std::filesystem::path(LLORCH_SOURCE_DIR) / "tests/fixtures/quant" / (name + ".bin");
  std::ifstream file(path, std::ios::binary);
  BOOST_REQUIRE_MESSAGE(file.good(), "cannot read " << path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(dequantizing)

BOOST_AUTO_TEST_CASE(every_type_gives_the_bits_that_the_gguf_package_gives) {
  for (const WeightType type : kQuantTypes) {
    const BlockFormat& format = *block_format(type);
    const std::vector<char> bytes = fixture(format);
    const auto block = static_cast<std::size_t>(format.bytes);
    const std::size_t block_and_values = block + static_cast<std::size_t>(format.columns) * sizeof(float);
    BOOST_REQUIRE_EQUAL(bytes.size() % block_and_values, 0u);
    const std::size_t n_blocks = bytes.size() / block_and_values;
    const std::size_t n = n_blocks * static_cast<std::size_t>(format.columns);
    BOOST_TEST(n_blocks >= 11u);
    std::vector<float> expected(n);
    std::memcpy(expected.data(), bytes.data() + n_blocks * block, n * sizeof(float));
    std::vector<float> found(n, -1.0f);
    dequantize(type, bytes.data(), static_cast<std::int64_t>(n), found.data());
    BOOST_TEST(same_bits(expected.data(), found.data(), n, format.name));
  }
}

BOOST_AUTO_TEST_CASE(types_are_found_by_the_ids_of_the_file_format_and_others_are_not) {
  for (const WeightType type : kQuantTypes)
    BOOST_TEST(block_format_of_gguf(block_format(type)->gguf_type) == block_format(type));
  for (const std::uint32_t id : {0u, 1u, 4u, 9u, 15u, 16u, 30u, 1000u})
    BOOST_TEST(block_format_of_gguf(id) == nullptr, "id " << id);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace llorch::common::testing
