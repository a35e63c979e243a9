// GGUF models in several files.
#include <filesystem>
#include <string>
#include <vector>

#include "expect.hpp"
#include "support/tiny_gpt2.hpp"

namespace {

using namespace llorch::testing;

struct SplitModel {
  std::vector<GgufWriter> parts;
  std::string stem = "tiny";

  /// The tiny model in `count` parts; all keys are in the first.
  explicit SplitModel(std::uint16_t count) {
    const GgufWriter whole = tiny_gpt2_gguf();
    for (std::uint16_t i = 0; i < count; ++i) {
      GgufWriter part;
      if (i == 0) part.pairs = whole.pairs;
      part.set("split.no", gguf_u16(i));
      part.set("split.count", gguf_u16(count));
      part.set("split.tensors.count", gguf_i32(static_cast<std::int32_t>(whole.tensors.size())));
      parts.push_back(part);
    }
    for (std::size_t i = 0; i < whole.tensors.size(); ++i) {
      parts[i % count].tensors.push_back(whole.tensors[i]);
    }
  }

  [[nodiscard]] std::string name(std::size_t i) const {
    return stem + "-0000" + std::to_string(i + 1) + "-of-0000" + std::to_string(parts.size()) + ".gguf";
  }
  void write(const TemporaryDirectory& directory) const {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      directory.write(name(i), parts[i].bytes());
    }
  }
};

BOOST_AUTO_TEST_SUITE(split_files)

BOOST_AUTO_TEST_CASE(any_part_opens_the_whole_model) {
  const SplitModel model(3);
  const TemporaryDirectory directory;
  model.write(directory);
  const auto expected = tiny_gpt2_tensors();
  for (std::size_t i = 0; i < 3; ++i) {
    const auto opened = expect_opened(directory.path() / model.name(i));
    BOOST_TEST(opened->architecture() == "gpt2");
    BOOST_REQUIRE(opened->tensors().size() == expected.size());
    for (std::size_t t = 0; t < expected.size(); ++t) {
      BOOST_TEST(opened->tensors()[t].name == expected[t].canonical);
      float first = 0;
      BOOST_REQUIRE(opened->read_tensor(t, 0, std::as_writable_bytes(std::span(&first, 1))));
      BOOST_TEST(first == tiny_value(t, 0, 0));
    }
  }
}

BOOST_AUTO_TEST_CASE(line_41_a_part_whose_number_is_wrong_is_refused) {
  SplitModel model(3);
  model.parts[1].set("split.no", gguf_u16(2));
  const TemporaryDirectory directory;
  model.write(directory);
  const auto opened = llorch::model_file::ModelFile::open(directory.path() / model.name(0));
  BOOST_REQUIRE(!opened);
  BOOST_TEST(opened.error().message.find(model.name(1)) != std::string::npos, opened.error().message);
  BOOST_TEST(opened.error().message.find("1 and 3 expected, found 2 and 3") != std::string::npos,
             opened.error().message);
}

BOOST_AUTO_TEST_CASE(line_41_a_part_whose_count_is_wrong_is_refused) {
  SplitModel model(3);
  model.parts[2].set("split.count", gguf_u16(4));
  const TemporaryDirectory directory;
  model.write(directory);
  expect_refused(directory.path() / model.name(2), {"name ending in -00003-of-00004.gguf expected"});
  const auto opened = llorch::model_file::ModelFile::open(directory.path() / model.name(0));
  BOOST_REQUIRE(!opened);
  BOOST_TEST(opened.error().message.find("2 and 3 expected, found 2 and 4") != std::string::npos,
             opened.error().message);
}

BOOST_AUTO_TEST_CASE(line_41_a_number_outside_the_count_is_refused) {
  SplitModel model(2);
  model.parts[0].set("split.no", gguf_u16(2));
  const TemporaryDirectory directory;
  model.write(directory);
  expect_refused(directory.path() / model.name(0), {"'split.no'", "0 to 1 expected, found 2"});
  for (const std::uint16_t count : {std::uint16_t{0}, std::uint16_t{65535}}) {
    model.parts[0].set("split.count", gguf_u16(count));
    model.write(directory);
    expect_refused(directory.path() / model.name(0),
                   {"'split.count'", "1 to 1000 expected, found " + std::to_string(count)});
  }
}

BOOST_AUTO_TEST_CASE(line_41_a_missing_part_is_named) {
  const SplitModel model(3);
  const TemporaryDirectory directory;
  model.write(directory);
  std::filesystem::remove(directory.path() / model.name(1));
  const auto opened = llorch::model_file::ModelFile::open(directory.path() / model.name(0));
  BOOST_REQUIRE(!opened);
  BOOST_TEST(opened.error().message.find(model.name(1)) != std::string::npos, opened.error().message);
  BOOST_TEST((opened.error().code == llorch::ErrorCode::kNotFound));
}

BOOST_AUTO_TEST_CASE(line_41_a_total_of_tensors_that_does_not_add_up_is_refused) {
  SplitModel model(2);
  model.parts[0].set("split.tensors.count", gguf_i32(27));
  const TemporaryDirectory directory;
  model.write(directory);
  expect_refused(directory.path() / model.name(0), {"'split.tensors.count'", "28 expected", "found 27"});
}

BOOST_AUTO_TEST_CASE(line_41_a_part_under_another_name_is_refused) {
  const SplitModel model(2);
  const TemporaryDirectory directory;
  expect_refused(directory.write("renamed.gguf", model.parts[0].bytes()),
                 {"part 1 of 2", "name ending in -00001-of-00002.gguf expected"});
}

BOOST_AUTO_TEST_CASE(line_22_a_tensor_in_two_parts_is_refused) {
  SplitModel model(2);
  model.parts[1].tensors[0] = model.parts[0].tensors[0];
  const TemporaryDirectory directory;
  model.write(directory);
  const auto opened = llorch::model_file::ModelFile::open(directory.path() / model.name(0));
  BOOST_REQUIRE(!opened);
  BOOST_TEST(opened.error().message.find("tensor \"token_embd.weight\" is in") != std::string::npos,
             opened.error().message);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
