// Directories of tokenizer files.
#include "tokenizer/hugging_face.hpp"

#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "base/json.hpp"
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
    "add_bos_token":true,"add_eos_token":true,"add_prefix_space":true,
    "model_max_length":1000000000000000019884624838656,"pad_token":null})");
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

BOOST_FIXTURE_TEST_CASE(every_end_that_the_models_config_lists_counts, NewDirectory) {
  const auto tokenizer = loaded({.bos = std::nullopt, .eos = kEnd, .ends = {kEnd, kHe, kExtra}});
  BOOST_TEST((tokenizer->eos() == kEnd));
  for (const TokenId id : {kEnd, kHe, kExtra})
    BOOST_TEST(tokenizer->ends_generation(id));
  BOOST_TEST(!tokenizer->ends_generation(0));
  BOOST_TEST(failure({.bos = std::nullopt, .eos = kEnd, .ends = {kEnd, 259}}) ==
             "DIR/tokenizer.json: end-of-generation token: expected a token id below 259, found 259");
}

BOOST_FIXTURE_TEST_CASE(the_token_that_tokenizer_config_names_for_the_end_of_a_turn_ends_it, NewDirectory) {
  directory.write("tokenizer_config.json", R"({"eot_token":"<extra>"})");
  auto tokenizer = loaded();
  BOOST_TEST(tokenizer->ends_generation(kExtra));
  BOOST_TEST((tokenizer->eos() == std::nullopt));
  directory.write("tokenizer_config.json", R"({"eot_token":{"content":"he","lstrip":false}})");
  tokenizer = loaded();
  BOOST_TEST(tokenizer->ends_generation(kHe));
  BOOST_TEST(!tokenizer->is_special(kHe));  // texts go on having it
  BOOST_TEST((tokenizer->encode("the") == Ids{'t', kHe}));
  // The class of Code Llama's tokenizer names one that some of its vocabularies lack.
  directory.write("tokenizer_config.json", R"({"eot_token":"\u2581<EOT>"})");
  BOOST_TEST(failure() == "none");
  directory.write("tokenizer_config.json", R"({"eot_token":3})");
  BOOST_TEST(failure() ==
             "DIR/tokenizer_config.json: eot_token: expected a string or an object with a content, found the number 3");
}

BOOST_FIXTURE_TEST_CASE(code_llamas_end_of_a_turn_ends_it_by_its_name, OldDirectory) {
  const std::string name = "\xE2\x96\x81<EOT>";
  directory.write("tokenizer.json", ByteVocabulary().merge("h", "e").add({.content = name}).tokenizer_json());
  const auto tokenizer = loaded();
  BOOST_TEST((tokenizer->find(name) == kEnd));
  BOOST_TEST(tokenizer->ends_generation(kEnd));
  BOOST_TEST(tokenizer->is_special(kEnd));
}

// tokenizer.json with 256 "he", 257 "<s>", 258 "</s>", and a post-processor.
struct LlamaDirectory : OldDirectory {
  void write_tokenizer(std::string_view post_processor) const {
    auto document = ByteVocabulary()
                        .merge("h", "e")
                        .add({.content = "<s>", .special = true})
                        .add({.content = "</s>", .special = true})
                        .document();
    document["post_processor"] = *parse_json(post_processor);
    directory.write("tokenizer.json", boost::json::serialize(boost::json::value(document)));
  }
  // Ids of "he" with what goes around it, beside a tokenizer_config.json with these members.
  [[nodiscard]] Ids around(const std::string& members) const {
    directory.write("tokenizer_config.json", R"({"bos_token":"<s>","eos_token":"</s>",)" + members + "}");
    return loaded()->encode("he", {.add_special = true});
  }

  static constexpr const char* kNone = "null";
  static constexpr const char* kMovesOffsets =
      R"({"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false,"use_regex":true})";
  static constexpr const char* kPutsBos = R"({"type":"TemplateProcessing",
    "single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],
    "pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],
    "special_tokens":{"<s>":{"id":"<s>","ids":[257],"tokens":["<s>"]}}})";
};

BOOST_FIXTURE_TEST_CASE(the_flags_of_llamas_tokenizer_replace_what_the_post_processor_puts_around, LlamaDirectory) {
  constexpr TokenId kBos = 257;
  constexpr TokenId kEos = 258;
  for (const char* post_processor : {kNone, kMovesOffsets, kPutsBos}) {
    write_tokenizer(post_processor);
    for (const std::string name : {"LlamaTokenizer", "LlamaTokenizerFast", "CodeLlamaTokenizer"}) {
      const std::string type = R"("tokenizer_class":")" + name + R"(",)";
      BOOST_TEST((around(type + R"("add_bos_token":false,"add_eos_token":false)") == Ids{kHe}));
      BOOST_TEST((around(type + R"("add_bos_token":true,"add_eos_token":false)") == Ids{kBos, kHe}));
      BOOST_TEST((around(type + R"("add_bos_token":false,"add_eos_token":true)") == Ids{kHe, kEos}));
      BOOST_TEST((around(type + R"("add_bos_token":true,"add_eos_token":true)") == Ids{kBos, kHe, kEos}));
    }
  }
}

BOOST_FIXTURE_TEST_CASE(a_flag_that_is_not_said_leaves_its_side_to_the_post_processor, LlamaDirectory) {
  const std::string llama = R"("tokenizer_class":"LlamaTokenizer")";
  write_tokenizer(kPutsBos);
  BOOST_TEST((around(llama) == Ids{257, kHe}));
  BOOST_TEST((around(llama + R"(,"add_bos_token":null)") == Ids{257, kHe}));
  BOOST_TEST((around(llama + R"(,"add_eos_token":true)") == Ids{257, kHe, 258}));
  write_tokenizer(kNone);
  BOOST_TEST((around(llama + R"(,"add_eos_token":true)") == Ids{kHe, 258}));
}

BOOST_FIXTURE_TEST_CASE(flags_beside_other_classes_leave_the_post_processor_alone, LlamaDirectory) {
  for (const std::string type : {R"("tokenizer_class":"PreTrainedTokenizerFast",)", R"("tokenizer_class":null,)", ""}) {
    write_tokenizer(kPutsBos);
    BOOST_TEST((around(type + R"("add_bos_token":false,"add_eos_token":true)") == Ids{257, kHe}));
    write_tokenizer(kNone);
    BOOST_TEST((around(type + R"("add_bos_token":true)") == Ids{kHe}));
  }
  BOOST_TEST(
      !load_hugging_face_tokenizer(directory.write("tokenizer_config.json", R"({"tokenizer_class":3})").parent_path()));
}

BOOST_FIXTURE_TEST_CASE(a_flag_whose_token_nothing_names_is_refused_unless_the_post_processor_knows_it,
                        LlamaDirectory) {
  const std::string config = R"({"tokenizer_class":"LlamaTokenizer","add_bos_token":true})";
  write_tokenizer(kPutsBos);
  directory.write("tokenizer_config.json", config);
  BOOST_TEST((loaded()->encode("he", {.add_special = true}) == Ids{257, kHe}));
  write_tokenizer(kNone);
  BOOST_TEST(failure() == "DIR/tokenizer.json: tokenizer_config.json asks for add_bos_token, no file names that token");
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
