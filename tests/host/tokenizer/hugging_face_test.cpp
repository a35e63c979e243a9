// Directories of tokenizer files.
#include "tokenizer/hugging_face.hpp"

#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "support/byte_vocabulary.hpp"
#include "support/temporary_directory.hpp"

namespace llorch::tokenizer {
namespace {

using llorch::testing::ByteVocabulary;
using llorch::testing::TemporaryDirectory;
using Ids = std::vector<TokenId>;

constexpr TokenId kHe = 256;
constexpr TokenId kEnd = 257;
constexpr TokenId kExtra = 258;

// vocab.json with 256 "he", 257 "<|endoftext|>", 258 "<extra>", and merges.txt.
struct OldDirectory {
  TemporaryDirectory directory;

  OldDirectory() {
    auto document = ByteVocabulary().merge("h", "e").document();
    auto vocabulary = document.at("model").at("vocab").as_object();
    vocabulary["<|endoftext|>"] = kEnd;
    vocabulary["<extra>"] = kExtra;
    directory.write("vocab.json", boost::json::serialize(boost::json::value(vocabulary)));
    directory.write("merges.txt", "#version: 0.2\nh e\n");
  }

  [[nodiscard]] std::unique_ptr<Tokenizer> loaded(const ConfigIds& config = {}) const {
    auto tokenizer = load_hugging_face_tokenizer(directory.path(), config);
    BOOST_REQUIRE_MESSAGE(tokenizer, (tokenizer ? "" : tokenizer.error().message));
    return std::move(*tokenizer);
  }

  // The message without the directory's name, or "none".
  [[nodiscard]] std::string failure(const ConfigIds& config = {}) const {
    const auto tokenizer = load_hugging_face_tokenizer(directory.path(), config);
    if (tokenizer) return "none";
    std::string message = tokenizer.error().message;
    const std::string name = directory.path().string();
    for (std::size_t at = message.find(name); at != std::string::npos; at = message.find(name))
      message.replace(at, name.size(), "DIR");
    return message;
  }
};

// tokenizer.json with the same ids; "<|endoftext|>" is an added special token.
struct NewDirectory : OldDirectory {
  NewDirectory() {
    directory.write("tokenizer.json", ByteVocabulary()
                                          .merge("h", "e")
                                          .add({.content = "<|endoftext|>", .special = true})
                                          .add({.content = "<extra>", .special = true})
                                          .tokenizer_json());
  }
};

BOOST_AUTO_TEST_SUITE(vocabulary_and_merges)

BOOST_FIXTURE_TEST_CASE(the_end_of_text_is_special_without_any_other_file, OldDirectory) {
  const auto tokenizer = loaded();
  BOOST_TEST((tokenizer->encode("he<|endoftext|>", {.parse_special = true}) == Ids{kHe, kEnd}));
  BOOST_TEST((tokenizer->eos() == kEnd));
  BOOST_TEST((tokenizer->bos() == kEnd));
  BOOST_TEST(tokenizer->is_special(kEnd));
  BOOST_TEST(!tokenizer->is_special(kExtra));
}

BOOST_FIXTURE_TEST_CASE(windows_line_ends_and_a_missing_last_one_are_fine, OldDirectory) {
  directory.write("merges.txt", "#version: 0.2\r\nh e");
  BOOST_TEST((loaded()->encode("he") == Ids{kHe}));
}

BOOST_FIXTURE_TEST_CASE(tokenizer_config_names_tokens_and_rules, OldDirectory) {
  directory.write("tokenizer_config.json",
                  R"({"bos_token":{"content":"<extra>","lstrip":true},"eos_token":"<|endoftext|>",
    "add_bos_token":true,"add_eos_token":true,"add_prefix_space":true,"model_max_length":1e30,"pad_token":null})");
  const auto tokenizer = loaded();
  BOOST_TEST((tokenizer->bos() == kExtra));
  BOOST_TEST((tokenizer->encode("he", {.add_special = true}) == Ids{kExtra, ' ', kHe, kEnd}));
  BOOST_TEST((tokenizer->encode(" he  <extra>", {.parse_special = true}) == Ids{' ', kHe, kExtra}));
}

BOOST_FIXTURE_TEST_CASE(added_tokens_come_from_either_file, OldDirectory) {
  directory.write(
      "tokenizer_config.json",
      R"({"added_tokens_decoder":{"258":{"content":"<extra>","special":true},"300":{"content":"<new>","special":false}}})");
  directory.write("added_tokens.json", R"({"<new>":300,"<newer>":301})");
  const auto tokenizer = loaded();
  BOOST_TEST(tokenizer->vocab_size() == 302u);
  BOOST_TEST(tokenizer->is_special(kExtra));
  BOOST_TEST((tokenizer->encode("<new><newer><extra>") == Ids{300, 301, '<', 'e', 'x', 't', 'r', 'a', '>'}));
}

BOOST_FIXTURE_TEST_CASE(special_tokens_map_makes_tokens_special, OldDirectory) {
  directory.write("special_tokens_map.json", R"({"eos_token":"<extra>","additional_special_tokens":["<extra>"]})");
  const auto tokenizer = loaded();
  BOOST_TEST((tokenizer->eos() == kExtra));
  BOOST_TEST(tokenizer->is_special(kExtra));
}

BOOST_FIXTURE_TEST_CASE(broken_files_are_named, OldDirectory) {
  const auto broken = [&](const std::string& name, std::string_view text) {
    const OldDirectory fresh;
    fresh.directory.write(name, text);
    return fresh.failure();
  };
  BOOST_TEST(broken("vocab.json", "[").starts_with("DIR/vocab.json: invalid JSON"));
  BOOST_TEST(broken("vocab.json", "[]") == "DIR/vocab.json: expected an object at the root, found an array of 0");
  BOOST_TEST(broken("vocab.json", "{\"a\":0,\"a\":1}").find("twice") != std::string::npos);
  BOOST_TEST(broken("merges.txt", "h e\n\nt h\n") ==
             "DIR/merges.txt: line 2: expected two tokens with one space between, found \"\"");
  BOOST_TEST(broken("merges.txt", "h e t\n") ==
             "DIR/merges.txt: line 1: expected two tokens with one space between, found \"h e t\"");
  BOOST_TEST(
      broken("merges.txt", "h zz\n") ==
      "DIR/vocab.json: merges.txt[0]: merge of \"h\" and \"zz\": expected tokens of the vocabulary, \"zz\" is not one");
  BOOST_TEST(broken("tokenizer_config.json", "3") ==
             "DIR/tokenizer_config.json: expected an object at the root, found the number 3");
  BOOST_TEST(broken("tokenizer_config.json", R"({"eos_token":"<none>"})") ==
             "DIR/tokenizer_config.json: eos_token: expected a token of the vocabulary, found \"<none>\"");
  BOOST_TEST(broken("tokenizer_config.json", R"({"bos_token":5})") ==
             "DIR/tokenizer_config.json: bos_token: expected a string or an object with a content, found the number 5");
  BOOST_TEST(broken("tokenizer_config.json", R"({"added_tokens_decoder":{"x":{}}})") ==
             "DIR/tokenizer_config.json: added_tokens_decoder[\"x\"]: expected a token id as the key, found \"x\"");
  BOOST_TEST(broken("tokenizer_config.json", R"({"add_bos_token":1})") ==
             "DIR/tokenizer_config.json: add_bos_token: expected true or false, found the number 1");
  BOOST_TEST(broken("special_tokens_map.json", R"({"additional_special_tokens":["<none>"]})") ==
             "DIR/special_tokens_map.json: additional_special_tokens[0]: expected a token of the vocabulary, found "
             "\"<none>\"");
  BOOST_TEST(broken("added_tokens.json", R"({"<new>":-1})") ==
             "DIR/added_tokens.json: \"<new>\": expected a token id, found the number -1");
  BOOST_TEST(broken("added_tokens.json", R"({"<new>":65})") ==
             "DIR/vocab.json: id 65 is \"<new>\" among the added tokens but \"A\" in tokens");
}

BOOST_FIXTURE_TEST_CASE(missing_files_are_named, OldDirectory) {
  std::filesystem::remove(directory.path() / "merges.txt");
  BOOST_TEST(failure().starts_with("DIR/merges.txt: cannot open"));
  std::filesystem::remove(directory.path() / "vocab.json");
  BOOST_TEST(failure() ==
             "DIR: expected tokenizer.json, tokenizer.model, or vocab.json and merges.txt, found none of them");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(tokenizer_json_directory)

BOOST_FIXTURE_TEST_CASE(tokenizer_json_wins_over_the_older_files, NewDirectory) {
  directory.write("vocab.json", "broken");
  const auto tokenizer = loaded();
  BOOST_TEST(tokenizer->is_special(kExtra));
  BOOST_TEST((tokenizer->eos() == std::nullopt));  // nothing names it
}

BOOST_FIXTURE_TEST_CASE(ends_come_from_the_files_beside_it, NewDirectory) {
  directory.write("generation_config.json", R"({"bos_token_id":256,"eos_token_id":[257,258]})");
  auto tokenizer = loaded({.bos = 1, .eos = 2});
  BOOST_TEST((tokenizer->eos() == kEnd));
  BOOST_TEST((tokenizer->bos() == kHe));
  for (const TokenId id : {TokenId{2}, kEnd, kExtra})
    BOOST_TEST(tokenizer->ends_generation(id));
  BOOST_TEST(!tokenizer->ends_generation(kHe));

  directory.write("tokenizer_config.json", R"({"eos_token":"<extra>"})");
  directory.write("special_tokens_map.json", R"({"eos_token":"he","bos_token":"<extra>"})");
  tokenizer = loaded();
  BOOST_TEST((tokenizer->eos() == kExtra));
  BOOST_TEST((tokenizer->bos() == kExtra));
  BOOST_TEST(tokenizer->ends_generation(kEnd));
}

BOOST_FIXTURE_TEST_CASE(the_models_config_names_the_ends_when_nothing_else_does, NewDirectory) {
  const auto tokenizer = loaded({.bos = kExtra, .eos = kEnd});
  BOOST_TEST((tokenizer->bos() == kExtra));
  BOOST_TEST((tokenizer->eos() == kEnd));
  BOOST_TEST(failure({.bos = 259, .eos = std::nullopt}) ==
             "DIR/tokenizer.json: bos token: expected a token id below 259, found 259");
}

BOOST_FIXTURE_TEST_CASE(ends_outside_the_vocabulary_are_refused, NewDirectory) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"259", "DIR/tokenizer.json: eos token: expected a token id below 259, found 259"},
      {"[257,259]", "DIR/tokenizer.json: end-of-generation token: expected a token id below 259, found 259"},
      {"-1", "DIR/generation_config.json: eos_token_id: expected a token id or a list of them, found the number -1"},
      {"[[257]]",
       "DIR/generation_config.json: eos_token_id: expected a token id or a list of them, found an array of 1"},
      {"\"257\"",
       "DIR/generation_config.json: eos_token_id: expected a token id or a list of them, found the string \"257\""}};
  for (const auto& [value, expected] : cases) {
    directory.write("generation_config.json", "{\"eos_token_id\":" + value + "}");
    BOOST_TEST(failure() == expected);
  }
}

BOOST_FIXTURE_TEST_CASE(ten_thousand_levels_of_nesting_are_refused, NewDirectory) {
  directory.write("tokenizer.json", std::string(10000, '[') + std::string(10000, ']'));
  BOOST_TEST(failure().starts_with("DIR/tokenizer.json: "));
  directory.write("tokenizer.json", "{\"a\":" + std::string(10000, '{'));
  BOOST_TEST(failure().starts_with("DIR/tokenizer.json: "));
}

BOOST_FIXTURE_TEST_CASE(what_is_not_a_regular_file_is_refused_without_waiting, NewDirectory) {
  std::filesystem::remove(directory.path() / "tokenizer.json");
  BOOST_REQUIRE(::mkfifo((directory.path() / "tokenizer.json").c_str(), 0600) == 0);
  BOOST_TEST(failure() == "DIR/tokenizer.json: expected a regular file, found a FIFO");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace llorch::tokenizer
