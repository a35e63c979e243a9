// Typed access to metadata and the table of element types.
#include "model_file/metadata.hpp"

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model_file/ggml_type.hpp"
#include "support/little_endian.hpp"

namespace {

using namespace llorch::model_file;
using llorch::testing::le;

struct Example {
  Example() {
    metadata.insert("bool", true);
    metadata.insert("negative", std::int64_t{-3});
    metadata.insert("signed", std::int64_t{3});
    metadata.insert("unsigned", std::uint64_t{1} << 63);
    metadata.insert("float", 0.5);
    metadata.insert("text", std::string_view("words"));
    metadata.insert("strings", Array{ElementType::kString, 2, nullptr, strings});
    metadata.insert("i16", array(ElementType::kI16, 2, i16));
    metadata.insert("u8", array(ElementType::kU8, 2, i16));
    metadata.insert("f32", array(ElementType::kF32, 1, f32));
    metadata.insert("f64", array(ElementType::kF64, 1, f64));
  }
  static Array array(ElementType type, std::uint64_t count, const std::string& bytes) {
    return {type, count, reinterpret_cast<const std::byte*>(bytes.data()) + 1, nullptr};
  }
  /// The message of a failure.
  template <class T>
  static std::string error(const llorch::Result<T>& result) {
    return result ? "none" : result.error().message;
  }

  // One byte in front: arrays in files need not be aligned.
  std::string i16 = "#" + le<std::int16_t>(-2) + le<std::int16_t>(300);
  std::string f32 = "#" + le(1.5F);
  std::string f64 = "#" + le(2.5);
  std::shared_ptr<const std::vector<std::string_view>> strings =
      std::make_shared<const std::vector<std::string_view>>(std::vector<std::string_view>{"a", "b"});
  Metadata metadata{"file.gguf"};
};

BOOST_FIXTURE_TEST_SUITE(metadata_access, Example)

BOOST_AUTO_TEST_CASE(values_come_back_under_their_types) {
  BOOST_TEST(**metadata.optional_bool("bool") == true);
  BOOST_TEST(*metadata.u64("signed") == 3U);
  BOOST_TEST(*metadata.u64("unsigned") == std::uint64_t{1} << 63);
  BOOST_TEST(*metadata.f64("float") == 0.5);
  BOOST_TEST(*metadata.string("text") == "words");
  BOOST_TEST(metadata.strings("strings")->at(1) == "b");
  BOOST_TEST(*metadata.integers("i16") == (std::vector<std::int64_t>{-2, 300}), boost::test_tools::per_element());
  BOOST_TEST(*metadata.integers("u8") == (std::vector<std::int64_t>{254, 255}), boost::test_tools::per_element());
  BOOST_TEST(metadata.floats("f32")->at(0) == 1.5F);
  BOOST_TEST(metadata.floats("f64")->at(0) == 2.5F);
}

BOOST_AUTO_TEST_CASE(an_absent_key_is_empty_or_an_error_that_names_it) {
  BOOST_TEST(!metadata.optional_u64("none")->has_value());
  BOOST_TEST(!metadata.optional_f64("none")->has_value());
  BOOST_TEST(!metadata.optional_bool("none")->has_value());
  BOOST_TEST(!metadata.optional_string("none")->has_value());
  for (const std::string& message :
       {error(metadata.u64("none")), error(metadata.f64("none")), error(metadata.string("none")),
        error(metadata.strings("none")), error(metadata.integers("none")), error(metadata.floats("none"))}) {
    BOOST_TEST(message == "file.gguf: key 'none' is missing");
  }
}

BOOST_AUTO_TEST_CASE(a_wrong_type_is_an_error_that_names_both) {
  BOOST_TEST(error(metadata.optional_u64("negative")) ==
             "file.gguf: key 'negative': expected an integer of 0 or more, found the integer -3");
  BOOST_TEST(error(metadata.u64("float")) ==
             "file.gguf: key 'float': expected an integer of 0 or more, found the number 0.5");
  BOOST_TEST(error(metadata.f64("signed")) ==
             "file.gguf: key 'signed': expected a floating-point number, found the integer 3");
  BOOST_TEST(error(metadata.optional_bool("text")) == "file.gguf: key 'text': expected a bool, found a string");
  BOOST_TEST(error(metadata.string("bool")) == "file.gguf: key 'bool': expected a string, found a bool");
  BOOST_TEST(error(metadata.strings("i16")) ==
             "file.gguf: key 'i16': expected an array of string, found an array of i16");
  BOOST_TEST(error(metadata.integers("f32")) ==
             "file.gguf: key 'f32': expected an array of integers, found an array of f32");
  BOOST_TEST(error(metadata.floats("strings")) ==
             "file.gguf: key 'strings': expected an array of f32, found an array of string");
  BOOST_TEST(error(metadata.floats("signed")) ==
             "file.gguf: key 'signed': expected an array of f32, found the integer 3");
}

BOOST_AUTO_TEST_CASE(a_second_value_for_a_key_does_not_replace_the_first) {
  BOOST_TEST(!metadata.insert("signed", std::int64_t{4}));
  BOOST_TEST(*metadata.u64("signed") == 3U);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(element_types)

BOOST_AUTO_TEST_CASE(sizes_follow_from_the_block_layouts) {
  const std::vector<std::uint64_t> dims = {3, 256};
  // id, bytes of 3 rows of 256: from bits per weight, scales included.
  const std::vector<std::pair<std::uint32_t, double>> cases = {
      {0, 32},      {1, 16},      {2, 4.5},     {3, 5},       {6, 5.5},  {7, 6},       {8, 8.5},
      {9, 9},       {10, 2.625},  {11, 3.4375}, {12, 4.5},    {13, 5.5}, {14, 6.5625}, {15, 9.125},
      {16, 2.0625}, {17, 2.3125}, {18, 3.0625}, {19, 1.5625}, {20, 4.5}, {21, 3.4375}, {22, 2.5625},
      {23, 4.25},   {24, 8},      {25, 16},     {26, 32},     {27, 64},  {28, 64},     {29, 1.75},
      {30, 16},     {34, 1.6875}, {35, 2.0625}, {39, 4.25},   {40, 4.5}, {41, 1.125},  {42, 2.25}};
  for (const auto& [id, bits] : cases) {
    const auto type = ggml_type_info(id);
    BOOST_REQUIRE_MESSAGE(type.has_value(), "type " << id);
    BOOST_TEST(static_cast<double>(tensor_bytes(*type, dims).value()) == 3 * 256 * bits / 8, type->name);
  }
}

BOOST_AUTO_TEST_CASE(ids_never_given_or_taken_back_are_unknown) {
  for (const std::uint32_t id : {4U, 5U, 31U, 32U, 33U, 36U, 37U, 38U, 43U, 255U, 0xFFFFFFFFU}) {
    BOOST_TEST(!ggml_type_info(id).has_value(), id);
  }
}

BOOST_AUTO_TEST_CASE(sizes_that_do_not_exist_are_nothing) {
  const auto f32 = ggml_type_info(0).value();
  const auto q8 = ggml_type_info(8).value();
  BOOST_TEST(tensor_bytes(f32, std::vector<std::uint64_t>{}).value() == 4U);
  BOOST_TEST(!tensor_bytes(q8, std::vector<std::uint64_t>{2, 33}).has_value());
  BOOST_TEST(!tensor_bytes(f32, std::vector<std::uint64_t>{std::uint64_t{1} << 62}).has_value());
  BOOST_TEST(
      !tensor_bytes(f32, std::vector<std::uint64_t>{std::uint64_t{1} << 33, std::uint64_t{1} << 33}).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
