// Tensor descriptions of GGUF files that break their format. The numbers are those of docs/model_files.md.
#include <string>

#include "expect.hpp"
#include "support/tiny_gpt2.hpp"

namespace {

using namespace llorch::testing;

/// The tiny model after a change to the tensor "output_norm.bias", the last one.
template <class Change>
std::string with_last(Change change) {
  GgufWriter writer = tiny_gpt2_gguf();
  change(writer.tensors.back());
  return writer.bytes();
}

/// A file of one tensor and 4 KiB of data behind it; "none" is no architecture known here, so only structure counts.
std::string one_tensor(GgufTensor tensor) {
  GgufWriter writer;
  writer.set("general.architecture", gguf_text("none"));
  tensor.data = std::string(4096, '\0');
  writer.tensors.push_back(std::move(tensor));
  return writer.bytes();
}

BOOST_AUTO_TEST_SUITE(gguf_tensors)

BOOST_AUTO_TEST_CASE(line_21_a_name_of_64_bytes_or_more_is_refused) {
  for (const std::size_t length : {64U, 65U, 1000U}) {
    expect_refused_bytes(with_last([&](GgufTensor& t) { t.name = std::string(length, 'n'); }),
                         {"name of tensor number 27", "1 to 63 bytes expected, found " + std::to_string(length)});
  }
  expect_refused_bytes(with_last([](GgufTensor& t) { t.name_length = std::uint64_t{1} << 32; }),
                       {"name of tensor number 27", "4294967296 bytes expected"});
}

BOOST_AUTO_TEST_CASE(line_21_a_name_of_63_bytes_is_structurally_fine) {
  const TemporaryDirectory directory;
  expect_opened(directory.write("m.gguf", one_tensor({std::string(63, 'n'), {4}, 0, {}})));
}

BOOST_AUTO_TEST_CASE(line_22_a_name_twice_is_refused) {
  expect_refused_bytes(with_last([](GgufTensor& t) { t.name = "output_norm.weight"; }),
                       {"tensor \"output_norm.weight\"", "appears twice"});
}

BOOST_AUTO_TEST_CASE(line_23_more_than_four_dimensions_are_refused) {
  expect_refused_bytes(one_tensor({"t", {1, 1, 1, 1, 1}, 0, {}}), {"1 to 4 dimensions expected, found 5"});
  GgufTensor tensor{"t", {1, 1}, 0, {}};
  tensor.n_dims = 0xFFFFFFFF;
  expect_refused_bytes(one_tensor(tensor), {"1 to 4 dimensions expected, found 4294967295"});
  tensor.n_dims = 0;
  expect_refused_bytes(one_tensor(tensor), {"1 to 4 dimensions expected, found 0"});
}

BOOST_AUTO_TEST_CASE(line_24_a_dimension_of_minus_one_is_refused) {
  expect_refused_bytes(one_tensor({"t", {4, ~std::uint64_t{0}}, 0, {}}), {"tensor \"t\"", "dimension 1", "found -1"});
}

BOOST_AUTO_TEST_CASE(line_25_a_dimension_of_zero_is_refused) {
  expect_refused_bytes(one_tensor({"t", {0, 4}, 0, {}}), {"tensor \"t\"", "dimension 0", "found 0"});
}

BOOST_AUTO_TEST_CASE(line_26_an_element_product_that_wraps_is_refused) {
  const std::uint64_t big = std::uint64_t{1} << 32;
  expect_refused_bytes(one_tensor({"t", {big, big}, 24, {}}), {"tensor \"t\"", "more elements than 64 bits"});
  expect_refused_bytes(one_tensor({"t", {big, big, big, big}, 24, {}}), {"tensor \"t\"", "more elements than 64 bits"});
}

BOOST_AUTO_TEST_CASE(line_27_a_byte_size_that_wraps_is_refused) {
  expect_refused_bytes(one_tensor({"t", {std::uint64_t{1} << 31, std::uint64_t{1} << 32}, 28, {}}),
                       {"tensor \"t\"", "more bytes than 64 bits"});
  expect_refused_bytes(one_tensor({"t", {std::uint64_t{1} << 62}, 0, {}}), {"tensor \"t\"", "more bytes than 64 bits"});
}

BOOST_AUTO_TEST_CASE(line_28_types_that_do_not_exist_are_refused) {
  for (const std::uint32_t type : {0xFFFFFFFFU, 4U, 5U, 31U, 32U, 33U, 36U, 37U, 38U, 10'000U}) {
    expect_refused_bytes(one_tensor({"t", {32}, type, {}}),
                         {"tensor \"t\"", "type " + std::to_string(static_cast<std::int32_t>(type)) + " is unknown"});
  }
}

BOOST_AUTO_TEST_CASE(line_29_a_row_that_is_no_multiple_of_the_block_is_refused) {
  expect_refused_bytes(one_tensor({"t", {33}, 8, {}}),
                       {"tensor \"t\"", "rows of 33 elements", "multiple of 32 expected for Q8_0"});
  expect_refused_bytes(one_tensor({"t", {128, 2}, 12, {}}), {"rows of 128 elements", "multiple of 256", "Q4_K"});
}

BOOST_AUTO_TEST_CASE(line_30_an_offset_off_the_alignment_is_refused) {
  expect_refused_bytes(with_last([](GgufTensor& t) { t.offset = 8; }),
                       {"tensor \"output_norm.bias\"", "offset 8: a multiple of the alignment 32 expected"});
}

BOOST_AUTO_TEST_CASE(line_31_an_offset_near_the_end_of_64_bits_is_refused) {
  expect_refused_bytes(with_last([](GgufTensor& t) { t.offset = ~std::uint64_t{0} - 31; }),
                       {"tensor \"output_norm.bias\"", "24 bytes from 18446744073709551584 on are past the end"});
}

BOOST_AUTO_TEST_CASE(line_32_overlapping_tensors_are_refused) {
  expect_refused_bytes(with_last([](GgufTensor& t) { t.offset = 0; }),
                       {"tensors \"", "\"output_norm.bias\"", "\"token_embd.weight\"", "overlap"});
}

BOOST_AUTO_TEST_CASE(line_33_holes_are_accepted) {
  GgufWriter writer = tiny_gpt2_gguf();
  GgufTensor& last = writer.tensors.back();
  std::uint64_t end = 0;
  for (const GgufTensor& tensor : writer.tensors) {
    if (&tensor != &last) end = (end + tensor.data.size() + 31) / 32 * 32;
  }
  last.offset = end + 64;
  last.data = std::string(64, '\xEE') + last.data;
  const TemporaryDirectory directory;
  const auto model = expect_opened(directory.write("model.gguf", writer.bytes()));
  float first = 0;
  BOOST_REQUIRE(model->read_tensor(27, 0, std::as_writable_bytes(std::span(&first, 1))));
  BOOST_TEST(first == tiny_value(27, 0, 0));
}

BOOST_AUTO_TEST_CASE(line_34_a_tensor_that_ends_one_byte_after_the_file_is_refused) {
  std::string bytes = tiny_gpt2_gguf().bytes();
  bytes.pop_back();
  expect_refused_bytes(bytes, {"tensor \"output_norm.bias\"", "24 bytes from", "past the end"});
}

BOOST_AUTO_TEST_CASE(line_35_a_size_whose_padded_sum_wraps_is_refused) {
  // 2^64 - 8 bytes: one more padding and the sum is 0.
  expect_refused_bytes(one_tensor({"t", {(std::uint64_t{1} << 61) - 1}, 28, {}}),
                       {"tensor \"t\"", "18446744073709551608 bytes from 0 on are past the end"});
}

BOOST_AUTO_TEST_CASE(a_tensor_name_that_is_not_utf8_is_refused) {
  expect_refused_bytes(one_tensor({"t\xC0\x80", {4}, 0, {}}), {"UTF-8 without NUL expected", "\\xc0\\x80"});
  expect_refused_bytes(one_tensor({std::string("t\0u", 3), {4}, 0, {}}), {"UTF-8 without NUL expected"});
  expect_refused_bytes(one_tensor({"", {4}, 0, {}}), {"1 to 63 bytes expected, found 0"});
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
