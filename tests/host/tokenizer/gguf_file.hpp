// A GGUF file's tokenizer metadata, made in the test: a right one to make wrong ones of.
#pragma once

#include <boost/test/unit_test.hpp>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/gguf_tokenizer.hpp"

namespace llorch::tokenizer {

/// Keys as a GGUF file would have them; every list and value can be changed before loading. Empty lists are left out.
struct GgufFile {
  std::vector<std::string> tokens, merges;
  std::vector<float> scores;
  std::vector<std::int32_t> types;
  std::map<std::string, model_file::Value> values;  // added first: they replace what the lists give

  [[nodiscard]] model_file::Metadata metadata() const {
    using model_file::ElementType;
    model_file::Metadata metadata("file.gguf");
    for (const auto& [key, value] : values)
      metadata.insert(key, value);
    if (!tokens.empty()) metadata.insert("tokenizer.ggml.tokens", strings(tokens));
    if (!merges.empty()) metadata.insert("tokenizer.ggml.merges", strings(merges));
    if (!types.empty()) metadata.insert("tokenizer.ggml.token_type", scalars(ElementType::kI32, types));
    if (!scores.empty()) metadata.insert("tokenizer.ggml.scores", scalars(ElementType::kF32, scores));
    return metadata;
  }

  [[nodiscard]] std::unique_ptr<Tokenizer> loaded() const {
    const model_file::Metadata read = metadata();
    auto tokenizer = load_gguf_tokenizer(read, "file.gguf");
    BOOST_REQUIRE_MESSAGE(tokenizer, (tokenizer ? "" : tokenizer.error().message));
    return std::move(*tokenizer);
  }

  [[nodiscard]] std::string failure() const {
    const model_file::Metadata read = metadata();
    const auto tokenizer = load_gguf_tokenizer(read, "file.gguf");
    return tokenizer ? "none" : tokenizer.error().message;
  }

  static model_file::Array strings(const std::vector<std::string>& list) {
    auto views = std::make_shared<std::vector<std::string_view>>(list.begin(), list.end());
    return {
        .type = model_file::ElementType::kString, .count = list.size(), .data = nullptr, .strings = std::move(views)};
  }
  /// `list` must outlive what is loaded.
  template <class T>
  static model_file::Array scalars(model_file::ElementType type, const std::vector<T>& list) {
    return {.type = type,
            .count = list.size(),
            .data = reinterpret_cast<const std::byte*>(list.data()),
            .strings = nullptr};
  }
};

}  // namespace llorch::tokenizer
