// Weights in several safetensors files and the index that lists them. The numbers are those of docs/model_files.md.
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "expect.hpp"
#include "support/tiny_gpt2.hpp"

namespace {

using namespace llorch::testing;
using llorch::model_file::ModelFile;
namespace fs = std::filesystem;

constexpr const char* kIndex = "model.safetensors.index.json";

/// The tiny model in two files, not yet written.
struct ShardedModel {
  std::vector<SafetensorsWriter> shards{2};
  std::vector<std::pair<std::string, std::string>> weight_map;

  ShardedModel() {
    const SafetensorsWriter whole = tiny_gpt2_safetensors("transformer.");
    for (std::size_t i = 0; i < whole.tensors.size(); ++i) {
      shards[i % 2].tensors.push_back(whole.tensors[i]);
      weight_map.emplace_back(whole.tensors[i].name, name(i % 2));
    }
  }
  [[nodiscard]] static std::string name(std::size_t i) {
    return "model-0000" + std::to_string(i + 1) + "-of-00002.safetensors";
  }
  [[nodiscard]] std::string index() const {
    std::string out = R"({"metadata":{"total_size":1},"weight_map":{)";
    for (std::size_t i = 0; i < weight_map.size(); ++i) {
      out += (i > 0 ? ",\"" : "\"") + weight_map[i].first + "\":\"" + weight_map[i].second + "\"";
    }
    return out + "}}";
  }
  void write(const TemporaryDirectory& directory) const {
    directory.write("config.json", config_text(tiny_gpt2_config()));
    directory.write(name(0), shards[0].bytes());
    directory.write(name(1), shards[1].bytes());
    directory.write(kIndex, index());
  }
};

BOOST_AUTO_TEST_SUITE(shards)

BOOST_AUTO_TEST_CASE(the_directory_and_its_index_open_the_whole_model) {
  const TemporaryDirectory directory;
  ShardedModel().write(directory);
  for (const fs::path& path : {directory.path(), directory.path() / kIndex}) {
    const auto model = expect_opened(path);
    const auto expected = tiny_gpt2_tensors();
    BOOST_REQUIRE(model->tensors().size() == expected.size());
    for (std::size_t t = 0; t < expected.size(); ++t) {
      float first = 0;
      BOOST_REQUIRE(model->read_tensor(t, 0, std::as_writable_bytes(std::span(&first, 1))));
      BOOST_TEST(first == tiny_value(t, 0, 0), model->tensors()[t].name);
    }
  }
}

BOOST_AUTO_TEST_CASE(line_66_an_index_that_leaves_the_directory_is_refused) {
  const TemporaryDirectory outside;
  outside.write("w.safetensors", tiny_gpt2_safetensors().bytes());
  for (const std::string& name :
       {std::string("../w.safetensors"), outside.path().string() + "/w.safetensors", std::string("sub/w.safetensors"),
        std::string(".."), std::string("."), std::string()}) {
    ShardedModel model;
    model.weight_map[3].second = name;
    const TemporaryDirectory directory;
    model.write(directory);
    const auto opened = ModelFile::open(directory.path());
    BOOST_REQUIRE_MESSAGE(!opened, name << " was accepted");
    const std::string& message = opened.error().message;
    BOOST_TEST(message.find(kIndex) != std::string::npos, message);
    BOOST_TEST(message.find("plain name of a file in the same directory, found \"" + name + "\"") != std::string::npos,
               message);
  }
}

BOOST_AUTO_TEST_CASE(line_66_a_link_that_leaves_the_directory_is_refused) {
  const TemporaryDirectory outside;
  const ShardedModel model;
  const TemporaryDirectory directory;
  model.write(directory);
  const fs::path file = directory.path() / ShardedModel::name(1);
  fs::rename(file, outside.path() / "blob");
  fs::create_symlink(outside.path() / "blob", file);
  expect_refused(directory.path() / kIndex, {"link that leads out of the directory", "cp -L"});
  fs::remove(file);
  fs::rename(outside.path() / "blob", directory.path() / "blob");
  fs::create_symlink("blob", file);
  expect_opened(directory.path());
}

BOOST_AUTO_TEST_CASE(a_file_the_index_names_and_that_is_not_there_is_named) {
  const TemporaryDirectory directory;
  ShardedModel().write(directory);
  fs::remove(directory.path() / ShardedModel::name(1));
  const auto opened = ModelFile::open(directory.path());
  BOOST_REQUIRE(!opened);
  BOOST_TEST((opened.error().code == llorch::ErrorCode::kNotFound));
  BOOST_TEST(opened.error().message.find(ShardedModel::name(1)) != std::string::npos, opened.error().message);
}

BOOST_AUTO_TEST_CASE(an_index_and_files_that_disagree_are_refused) {
  const TemporaryDirectory directory;
  const auto message = [&](const ShardedModel& model) {
    model.write(directory);
    const auto opened = ModelFile::open(directory.path());
    return opened ? std::string("accepted") : opened.error().message;
  };
  ShardedModel model;
  model.weight_map[2].second = ShardedModel::name(1);
  BOOST_TEST(message(model).find("is not listed for this file in the index's weight_map") != std::string::npos,
             message(model));
  model = {};
  model.weight_map.emplace_back("extra", ShardedModel::name(0));
  BOOST_TEST(message(model).find("tensor \"extra\" is missing, the index's weight_map lists it") != std::string::npos,
             message(model));
  model = {};
  model.shards[1].tensors.push_back(model.shards[0].tensors[0]);
  BOOST_TEST(message(model).find("\"transformer.wte.weight\" is in") != std::string::npos, message(model));
}

BOOST_AUTO_TEST_CASE(an_index_of_another_form_is_refused) {
  const TemporaryDirectory directory;
  ShardedModel().write(directory);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{", "invalid JSON"},
      {"[]", "expected a JSON object, found an array"},
      {"{}", "weight_map: is missing, expected an object"},
      {R"({"weight_map":"w.safetensors"})", "weight_map: expected an object, found \"w.safetensors\""},
      {R"({"weight_map":{}})", "expected at least one tensor, found none"},
      {R"({"weight_map":{"t":3}})", "file of tensor \"t\": expected a string, found 3"},
  };
  for (const auto& [text, part] : cases) {
    expect_refused(directory.write(kIndex, text), {part});
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
