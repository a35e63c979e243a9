// Header and keys of GGUF files that break their format. The numbers are those of docs/model_files.md.
#include <string>

#include "expect.hpp"
#include "model_file/gguf.hpp"
#include "support/gguf_writer.hpp"
#include "support/tiny_gpt2.hpp"

namespace {

using namespace llorch::testing;
using llorch::model_file::MemoryBytes;
using llorch::model_file::parse_gguf;

/// The tiny model with one pair more.
std::string with_pair(const std::string& key, const std::string& value) {
  GgufWriter writer = tiny_gpt2_gguf();
  writer.pairs.emplace_back(key, value);
  return writer.bytes();
}

/// A file that consists of a header and these bytes.
std::string raw(std::uint64_t tensors, std::uint64_t keys, const std::string& rest) {
  return "GGUF" + le<std::uint32_t>(3) + le(tensors) + le(keys) + rest;
}

BOOST_AUTO_TEST_SUITE(gguf_header)

BOOST_AUTO_TEST_CASE(line_1_an_empty_file_is_refused) {
  expect_refused_bytes("", {"not a GGUF file", "header of 24 bytes expected", "has 0"});
}

BOOST_AUTO_TEST_CASE(line_2_three_bytes_are_refused) {
  expect_refused_bytes("GGU", {"header of 24 bytes expected", "has 3"});
}

BOOST_AUTO_TEST_CASE(line_3_a_bad_magic_is_refused) {
  GgufWriter writer = tiny_gpt2_gguf();
  writer.magic = "GGML";
  expect_refused_bytes(writer.bytes(), {"magic \"GGUF\" expected", "found \"GGML\""});
}

BOOST_AUTO_TEST_CASE(line_4_versions_other_than_2_and_3_are_refused) {
  for (const std::uint32_t version : {0U, 1U, 4U}) {
    GgufWriter writer = tiny_gpt2_gguf();
    writer.version = version;
    expect_refused_bytes(writer.bytes(), {"version 2 or 3 expected, found " + std::to_string(version)});
  }
}

BOOST_AUTO_TEST_CASE(line_5_a_byte_swapped_version_is_called_big_endian) {
  GgufWriter writer = tiny_gpt2_gguf();
  writer.version = 0x03000000;
  expect_refused_bytes(writer.bytes(), {"0x3000000", "big-endian"});
}

BOOST_AUTO_TEST_CASE(line_6_a_key_count_beyond_the_file_is_refused) {
  for (const int bit : {60, 63}) {
    GgufWriter writer = tiny_gpt2_gguf();
    writer.key_count = std::uint64_t{1} << bit;
    expect_refused_bytes(writer.bytes(), {std::to_string(*writer.key_count) + " keys announced", "bytes left"});
  }
}

BOOST_AUTO_TEST_CASE(line_7_a_tensor_count_whose_table_size_wraps_is_refused) {
  for (const std::uint64_t size : {1U, 8U, 33U, 64U, 100U}) {
    GgufWriter writer = tiny_gpt2_gguf();
    writer.tensor_count = ~std::uint64_t{0} / size + 1;
    if (size == 1) writer.tensor_count = ~std::uint64_t{0};
    expect_refused_bytes(writer.bytes(), {std::to_string(*writer.tensor_count) + " tensors announced", "bytes left"});
  }
}

BOOST_AUTO_TEST_CASE(line_8_every_prefix_of_a_valid_file_is_refused) {
  const std::string whole = tiny_gpt2_gguf().bytes();
  const auto accepted = [&](std::size_t size) {
    MemoryBytes bytes(std::as_bytes(std::span(whole.data(), size)), "cut.gguf");
    return parse_gguf(bytes).has_value();
  };
  BOOST_TEST(accepted(whole.size()));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    BOOST_REQUIRE_MESSAGE(!accepted(size), "a prefix of " << size << " bytes was accepted");
  }
  const TemporaryDirectory directory;
  for (std::size_t size = 0; size < whole.size(); size += 311) {
    expect_refused(directory.write("cut.gguf", std::string_view(whole).substr(0, size)), {});
  }
}

BOOST_AUTO_TEST_CASE(line_9_a_key_without_a_name_is_refused) {
  expect_refused_bytes(with_pair("", gguf_u32(1)), {"name of key number 8", "1 to 65535 bytes expected, found 0"});
}

BOOST_AUTO_TEST_CASE(line_10_a_key_length_of_all_ones_is_refused) {
  expect_refused_bytes(raw(0, 1, le(~std::uint64_t{0}) + std::string(32, 'k')),
                       {"name of key number 0", "18446744073709551615 bytes expected, 32 left"});
}

BOOST_AUTO_TEST_CASE(line_11_a_key_length_one_past_the_end_is_refused) {
  expect_refused_bytes(raw(0, 1, le<std::uint64_t>(33) + std::string(32, 'k')), {"33 bytes expected, 32 left"});
}

BOOST_AUTO_TEST_CASE(line_12_a_key_that_is_not_utf8_or_holds_nul_is_refused) {
  expect_refused_bytes(with_pair("a\xFFz", gguf_u32(1)), {"UTF-8 expected", "\"a\\xffz\""});
  expect_refused_bytes(with_pair(std::string("a\0z", 3), gguf_u32(1)), {"holds a NUL", "\"a\\x00z\""});
}

BOOST_AUTO_TEST_CASE(line_13_an_unknown_value_type_is_refused) {
  for (const std::uint32_t type : {13U, 255U}) {
    expect_refused_bytes(with_pair("odd", le(type) + le<std::uint64_t>(0)),
                         {"key \"odd\"", "value type: 0 to 12 expected, found " + std::to_string(type)});
  }
}

BOOST_AUTO_TEST_CASE(line_14_a_string_longer_than_the_file_is_refused) {
  expect_refused_bytes(with_pair("long", le<std::uint32_t>(kGgufString) + le(std::uint64_t{1} << 40)),
                       {"key \"long\"", "1099511627776 bytes expected"});
}

BOOST_AUTO_TEST_CASE(line_15_an_array_of_an_unknown_type_is_refused) {
  expect_refused_bytes(with_pair("odd", gguf_array(77, 1, "x")),
                       {"key \"odd\"", "array element type: 0 to 12 expected, found 77"});
}

BOOST_AUTO_TEST_CASE(line_16_arrays_nested_ten_thousand_deep_are_refused) {
  std::string nested = le<std::uint32_t>(kGgufArray);
  for (int i = 0; i < 10'000; ++i)
    nested += le<std::uint32_t>(kGgufArray) + le<std::uint64_t>(1);
  expect_refused_bytes(with_pair("deep", nested), {"key \"deep\"", "nested deeper than 4 levels"});
}

BOOST_AUTO_TEST_CASE(line_17_an_array_whose_size_wraps_is_refused) {
  const std::uint64_t count = (std::uint64_t{1} << 61) + 1;  // times 8 bytes is 8
  expect_refused_bytes(with_pair("wraps", gguf_array(kGgufU64, count, le<std::uint64_t>(0))),
                       {"key \"wraps\"", "array of 2305843009213693953 elements"});
  expect_refused_bytes(with_pair("wraps", gguf_array(kGgufString, count, "")), {"key \"wraps\"", "array of"});
  expect_refused_bytes(with_pair("wraps", gguf_array(kGgufArray, count, "")), {"key \"wraps\"", "array of"});
}

BOOST_AUTO_TEST_CASE(line_18_a_key_that_appears_twice_is_refused) {
  expect_refused_bytes(with_pair("gpt2.block_count", gguf_u32(2)), {"key \"gpt2.block_count\"", "appears twice"});
}

BOOST_AUTO_TEST_CASE(line_19_an_alignment_that_is_no_sensible_power_of_two_is_refused) {
  for (const std::uint32_t alignment : {0U, 3U, 1U << 31}) {
    expect_refused_bytes(with_pair("general.alignment", gguf_u32(alignment)),
                         {"'general.alignment'", "a power of two", "found " + std::to_string(alignment)});
  }
}

BOOST_AUTO_TEST_CASE(line_20_an_alignment_of_a_wrong_type_is_refused) {
  expect_refused_bytes(with_pair("general.alignment", gguf_text("32")),
                       {"'general.alignment'", "expected an integer of 0 or more, found a string"});
  expect_refused_bytes(with_pair("general.alignment", gguf_f32(32)), {"'general.alignment'", "found the number 32"});
  expect_refused_bytes(with_pair("general.alignment", gguf_i32(-32)), {"'general.alignment'", "found the integer -32"});
}

BOOST_AUTO_TEST_CASE(a_bool_other_than_0_and_1_is_refused) {
  expect_refused_bytes(with_pair("b", le<std::uint32_t>(kGgufBool) + "\x02"),
                       {"key \"b\"", "0 or 1 expected, found 2"});
}

BOOST_AUTO_TEST_CASE(arrays_of_arrays_within_the_limit_are_accepted) {
  const std::string inner = le<std::uint32_t>(kGgufU8) + le<std::uint64_t>(2) + "xy";
  const TemporaryDirectory directory;
  expect_opened(directory.write("model.gguf", with_pair("nested", gguf_array(kGgufArray, 2, inner + inner))));
}

BOOST_AUTO_TEST_CASE(another_alignment_is_honoured) {
  GgufWriter writer = tiny_gpt2_gguf();
  writer.alignment = 64;
  writer.set("general.alignment", gguf_u32(64));
  const TemporaryDirectory directory;
  const auto model = expect_opened(directory.write("model.gguf", writer.bytes()));
  float first = 0;
  BOOST_REQUIRE(model->read_tensor(3, 0, std::as_writable_bytes(std::span(&first, 1))));
  BOOST_TEST(first == tiny_value(3, 0, 0));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
