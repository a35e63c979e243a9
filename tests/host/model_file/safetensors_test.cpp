// The safetensors format. The numbers are those of docs/model_files.md.
#include "model_file/safetensors.hpp"

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <initializer_list>
#include <string>
#include <string_view>

#include "expect.hpp"
#include "support/safetensors_writer.hpp"

namespace {

using namespace llorch::testing;
using llorch::model_file::MemoryBytes;
using llorch::model_file::parse_safetensors;

auto parse(std::string_view bytes) {
  MemoryBytes source(std::as_bytes(std::span(bytes)), "weights.safetensors");
  return parse_safetensors(source);
}

void expect_bad(std::string_view bytes, std::initializer_list<std::string_view> parts) {
  const auto begin = std::chrono::steady_clock::now();
  const auto parsed = parse(bytes);
  BOOST_TEST((std::chrono::steady_clock::now() - begin < kPatience), "refused in time");
  BOOST_REQUIRE_MESSAGE(!parsed, "expected a refusal, but the header was accepted");
  const std::string& message = parsed.error().message;
  BOOST_TEST(message.starts_with("weights.safetensors"), message);
  for (const std::string_view part : parts) {
    BOOST_TEST(message.find(part) != std::string::npos, "\"" << part << "\" in: " << message);
  }
}

/// A header of one tensor "t" with these members, and data.
std::string one(const std::string& members, std::size_t data_size = 16) {
  return safetensors_file("{\"t\":{" + members + "}}", std::string(data_size, 'd'));
}

BOOST_AUTO_TEST_SUITE(safetensors)

BOOST_AUTO_TEST_CASE(tensors_come_in_the_order_of_their_data_with_absolute_offsets) {
  const std::string header =
      R"({"b":{"dtype":"F32","shape":[2,2],"data_offsets":[4,20]},"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]},)"
      R"("__metadata__":{"format":"pt"}})";
  const auto parsed = parse(safetensors_file(header, std::string(20, 'd')));
  BOOST_REQUIRE_MESSAGE(parsed, (parsed ? std::string() : parsed.error().message));
  BOOST_REQUIRE(parsed->size() == 2U);
  BOOST_TEST((*parsed)[0].name == "a");
  BOOST_TEST((*parsed)[0].ggml_type == 30U);
  BOOST_TEST((*parsed)[0].offset == 8 + header.size());
  BOOST_TEST((*parsed)[1].name == "b");
  BOOST_TEST((*parsed)[1].ggml_type == 0U);
  BOOST_TEST((*parsed)[1].dims == (std::vector<std::uint64_t>{2, 2}), boost::test_tools::per_element());
  BOOST_TEST((*parsed)[1].offset == 12 + header.size());
  BOOST_TEST((*parsed)[1].nbytes == 16U);
}

BOOST_AUTO_TEST_CASE(line_51_fewer_than_eight_bytes_are_refused) {
  for (std::size_t size = 0; size < 8; ++size) {
    expect_bad(std::string(size, '\1'), {"at least 8 bytes expected, found " + std::to_string(size)});
  }
}

BOOST_AUTO_TEST_CASE(line_52_a_header_length_that_cannot_be_is_refused) {
  expect_bad(le<std::uint64_t>(0) + "{}", {"header length 0"});
  expect_bad(le(std::uint64_t{1} << 63) + "{}", {"header length 9223372036854775808", "at most 100000000"});
  expect_bad(le<std::uint64_t>(3) + "{}", {"header length 3", "the file has 2 bytes after it"});
  expect_bad(le<std::uint64_t>(100'000'001) + std::string(100'000'001, ' '),
             {"header length 100000001", "at most 100000000"});
}

BOOST_AUTO_TEST_CASE(line_53_a_header_that_is_no_utf8_object_is_refused) {
  expect_bad(safetensors_file("{\"\xFF\":1}"), {"safetensors header", "not valid UTF-8"});
  for (const std::string_view text : {"[]", "1", "\"x\"", "null"}) {
    expect_bad(safetensors_file(text), {"safetensors header: expected a JSON object"});
  }
  for (const std::string_view text : {"{", "{]", "{} x", "nul", " "}) {
    expect_bad(safetensors_file(text), {"safetensors header", "invalid JSON"});
  }
}

BOOST_AUTO_TEST_CASE(line_54_white_space_around_the_header_is_accepted) {
  BOOST_TEST(parse(safetensors_file(" \n\t{} \r\n ")).has_value());
}

BOOST_AUTO_TEST_CASE(line_55_a_tensor_twice_is_refused) {
  const std::string entry = R"({"dtype":"U8","shape":[8],"data_offsets":[0,8]})";
  expect_bad(safetensors_file("{\"t\":" + entry + ",\"t\":" + entry + "}", std::string(8, 'd')),
             {"key \"t\" appears twice"});
}

BOOST_AUTO_TEST_CASE(line_56_offsets_that_are_no_range_are_refused) {
  const std::string start = R"("dtype":"F32","shape":[4],"data_offsets":)";
  expect_bad(one(start + "[16,0]"), {"tensor \"t\"", "begin 16 is behind end 0"});
  expect_bad(one(start + "[-16,0]"), {"tensor \"t\"", "two integers of 0 or more"});
  expect_bad(one(start + "[0,16.0]"), {"tensor \"t\"", "two integers of 0 or more"});
  expect_bad(one(start + "[0.5,16]"), {"tensor \"t\"", "two integers of 0 or more"});
  expect_bad(one(start + "[0,8,16]"), {"tensor \"t\"", "expected two integers, found 3 entries"});
  expect_bad(one(start + "[0]"), {"tensor \"t\"", "expected two integers, found 1 entries"});
  expect_bad(one(start + "16"), {"tensor \"t\"", "expected an array of two integers"});
  expect_bad(one(start + "[0,18446744073709551616]"), {"integer needs more than 64 bits"});
  expect_bad(one(start + "[0,18446744073709551615]"), {"tensor \"t\"", "past the data, which has 16 bytes"});
}

BOOST_AUTO_TEST_CASE(line_57_a_range_that_differs_from_shape_and_dtype_is_refused) {
  expect_bad(one(R"("dtype":"F32","shape":[5],"data_offsets":[0,16])"),
             {"tensor \"t\"", "shape [5] of F32 needs 20 bytes, data_offsets give 16"});
  expect_bad(one(R"("dtype":"F64","shape":[],"data_offsets":[0,16])"), {"needs 8 bytes, data_offsets give 16"});
}

BOOST_AUTO_TEST_CASE(line_58_a_shape_whose_product_wraps_is_refused) {
  expect_bad(one(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0])"),
             {"tensor \"t\"", "more elements than 64 bits"});
  expect_bad(one(R"("dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0])"),
             {"tensor \"t\"", "more bytes than 64 bits"});
}

BOOST_AUTO_TEST_CASE(line_59_ten_tensors_on_one_range_are_refused) {
  SafetensorsWriter writer;
  std::string header = "{";
  for (int i = 0; i < 10; ++i) {
    header += std::string(i > 0 ? "," : "") + "\"t" + std::to_string(i) +
              R"(":{"dtype":"F32","shape":[4],"data_offsets":[0,16]})";
  }
  expect_bad(safetensors_file(header + "}", std::string(16, 'd')), {"tensor \"t", "inside the tensor before it"});
}

BOOST_AUTO_TEST_CASE(line_60_a_hole_or_trailing_bytes_are_refused) {
  expect_bad(one(R"("dtype":"F32","shape":[2],"data_offsets":[8,16])"),
             {"tensor \"t\" begins at byte 8", "leaving a hole after"});
  expect_bad(one(R"("dtype":"F32","shape":[2],"data_offsets":[0,8])"), {"end at byte 8", "which has 16 bytes"});
  expect_bad(safetensors_file("{}", "x"), {"end at byte 0", "which has 1 bytes"});
}

BOOST_AUTO_TEST_CASE(line_61_a_tensor_without_elements_inside_another_is_refused) {
  const std::string header = R"({"t":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},)"
                             R"("empty":{"dtype":"F32","shape":[0],"data_offsets":[AT,AT]}})";
  const auto at = [&](const std::string& offset) {
    std::string text = header;
    for (std::size_t i = text.find("AT"); i != std::string::npos; i = text.find("AT"))
      text.replace(i, 2, offset);
    return safetensors_file(text, std::string(16, 'd'));
  };
  expect_bad(at("4"), {"tensor \"empty\" begins at byte 4", "inside the tensor before it"});
  BOOST_TEST(parse(at("0")).has_value());
  BOOST_TEST(parse(at("16")).has_value());
}

BOOST_AUTO_TEST_CASE(line_62_an_unknown_dtype_is_refused) {
  expect_bad(one(R"("dtype":"F4","shape":[4],"data_offsets":[0,16])"), {"tensor \"t\"", "dtype \"F4\" is not known"});
  expect_bad(one(R"("dtype":32,"shape":[4],"data_offsets":[0,16])"), {"tensor \"t\"", "dtype: expected a string"});
  expect_bad(one(R"("shape":[4],"data_offsets":[0,16])"), {"tensor \"t\"", "dtype: expected a string"});
}

BOOST_AUTO_TEST_CASE(line_63_metadata_that_is_not_strings_is_refused) {
  expect_bad(safetensors_file(R"({"__metadata__":{"a":"b","step":3}})"),
             {"__metadata__", "\"step\": expected a string"});
  expect_bad(safetensors_file(R"({"__metadata__":["a"]})"), {"__metadata__: expected an object of strings"});
}

BOOST_AUTO_TEST_CASE(line_64_ten_million_entries_are_refused_at_once) {
  // As many as fit the longest header that is read at all; the first half million have names of their own.
  std::string header = "{";
  for (int i = 0; i < 500'000; ++i) {
    header += "\"" + std::to_string(i) + "\":0,";
  }
  const std::string block = header.substr(1);
  while (header.size() + block.size() < 100'000'000)
    header += block;
  header.back() = '}';
  expect_bad(safetensors_file(header), {"more than 400000 values"});
  std::string over(100'000'008, ' ');
  over.replace(0, 8, le<std::uint64_t>(10'000'000 * 12));
  expect_bad(over, {"header length 120000000", "at most 100000000"});
}

BOOST_AUTO_TEST_CASE(an_entry_of_another_form_is_refused) {
  expect_bad(safetensors_file(R"({"t":7})"), {"tensor \"t\"", "expected an object with dtype, shape and data_offsets"});
  expect_bad(one(R"("dtype":"F32","shape":[4],"data_offsets":[0,16],"scale":2)"),
             {"tensor \"t\"", "unknown key \"scale\""});
  expect_bad(one(R"("dtype":"F32","shape":4,"data_offsets":[0,16])"), {"shape: expected an array"});
  expect_bad(one(R"("dtype":"F32","shape":[4.0],"data_offsets":[0,16])"), {"shape: expected integers of 0 or more"});
  expect_bad(one(R"("dtype":"F32","shape":[-4],"data_offsets":[0,16])"), {"shape: expected integers of 0 or more"});
  expect_bad(one(R"("dtype":"F32","shape":[1,1,1,1,1,1,1,1,4],"data_offsets":[0,16])"),
             {"at most 8 dimensions expected, found 9"});
  expect_bad(one(R"("dtype":"F32","shape":[[[[4]]]],"data_offsets":[0,16])"), {"nested deeper than 4 levels"});
}

BOOST_AUTO_TEST_CASE(every_prefix_of_a_valid_file_is_refused) {
  SafetensorsWriter writer;
  writer.tensors = {{"a", "F32", {2, 2}, std::string(16, 'a')}, {"b", "I8", {3}, "bbb"}};
  writer.metadata = R"({"format":"pt"})";
  const std::string whole = writer.bytes();
  BOOST_TEST(parse(whole).has_value());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    BOOST_TEST(!parse(std::string_view(whole).substr(0, size)).has_value(), "a prefix of " << size << " bytes");
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
