// The real stories260K and what others found it to say. Not part of the project; absent, everything here is empty.
#pragma once

#include <boost/json/parse.hpp>
#include <memory>
#include <string>
#include <vector>

#include "model_file/file.hpp"
#include "support/model_under_test.hpp"
#include "support/real_data.hpp"

namespace llorch::testing {

/// The model and what it should say, or nothing where they are absent.
struct Stories260K {
  std::unique_ptr<model_file::ModelFile> file;
  std::shared_ptr<plugin::Plugin> plugin;
  std::shared_ptr<plugin::Model> model;
  boost::json::object expected;

  Stories260K() {
    const auto path = real_data("stories260K/stories260K.gguf");
    const auto facts = real_data("stories260K/expected.json");
    if (path.empty() || facts.empty()) return;
    file = take(model_file::ModelFile::open(path));
    plugin = take(plugin::Plugin::load(plugin_path("llama2_cpu")));
    model = take(plugin->create_model(file->source()));
    expected = boost::json::parse(take(model_file::read_text_file(facts, 1U << 20U))).as_object();
  }
  [[nodiscard]] std::vector<std::int32_t> take_ids(const char* key) const {
    std::vector<std::int32_t> out;
    for (const auto& id : expected.at(key).as_array())
      out.push_back(id.to_number<std::int32_t>());
    return out;
  }
  [[nodiscard]] std::string text(const char* key) const { return std::string(expected.at(key).as_string()); }
  [[nodiscard]] std::unique_ptr<plugin::Context> context() const {
    plugin::ContextParams params;
    params.max_tokens = 512;
    return take(model->create_context(params));
  }
};

}  // namespace llorch::testing
