// Files of texts and their token ids, as reference implementations give them.
#pragma once

#include <boost/json/value.hpp>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "model_file/model_file.hpp"
#include "tokenizer/tokenizer.hpp"

namespace llorch::tokenizer::testing {

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  BOOST_REQUIRE_MESSAGE(file, path.string() << " cannot be read");
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline std::string to_string(const std::vector<TokenId>& ids) {
  std::string text;
  for (const TokenId id : ids)
    text += std::to_string(id) + " ";
  return text;
}

/// The tokenizer of a model file or directory; a failure ends the test case with the error's message.
inline std::unique_ptr<Tokenizer> load(const std::filesystem::path& path) {
  auto file = model_file::ModelFile::open(path, {.vocabulary_only = true});
  BOOST_REQUIRE_MESSAGE(file, path.string() << ": " << (file ? "" : file.error().message));
  auto tokenizer = load_tokenizer(**file);
  BOOST_REQUIRE_MESSAGE(tokenizer, path.string() << ": " << (tokenizer ? "" : tokenizer.error().message));
  return std::move(*tokenizer);
}

/// Every case of the file: text under "text", ids under `ids_key`. Checks ids and the way back.
inline void check_cases(const Tokenizer& tokenizer, const std::filesystem::path& cases_file, std::string_view ids_key,
                        const EncodeOptions& options) {
  const auto document = parse_json(read_file(cases_file));
  BOOST_REQUIRE_MESSAGE(document, cases_file.string() << ": " << (document ? "" : document.error().message));
  const auto& cases = document->as_object().at("cases").as_array();
  BOOST_REQUIRE(!cases.empty());
  for (const auto& entry : cases) {
    const std::string_view text = entry.as_object().at("text").as_string();
    std::vector<TokenId> expected;
    for (const auto& id : entry.as_object().at(ids_key).as_array())
      expected.push_back(id.to_number<TokenId>());
    const std::vector<TokenId> found = tokenizer.encode(text, options);
    BOOST_CHECK_MESSAGE(found == expected,
                        "text '" << text << "': expected " << to_string(expected) << ", found " << to_string(found));
    BOOST_CHECK_MESSAGE(tokenizer.decode(found) == text,
                        "text '" << text << "' decodes to '" << tokenizer.decode(found) << "'");
  }
}

}  // namespace llorch::tokenizer::testing
