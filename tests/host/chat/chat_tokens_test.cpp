// Ids of whole conversations: what transformers' apply_chat_template gives (tools/make_chat_token_fixtures.py).
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "chat/chat_template.hpp"
#include "support/temporary_directory.hpp"
#include "tokenizer/tokenizer.hpp"

namespace llorch::chat {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

fs::path fixtures() {
  return fs::path(LLORCH_SOURCE_DIR) / "tests/fixtures";
}

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  BOOST_REQUIRE_MESSAGE(in.good(), "missing " << path);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string text_of(const json::value& object, std::string_view key) {
  return std::string(object.at(key).get_string());
}

std::unique_ptr<tokenizer::Tokenizer> load(const fs::path& path) {
  const auto file = model_file::ModelFile::open(path, {.vocabulary_only = true});
  BOOST_REQUIRE_MESSAGE(file, (file ? "" : file.error().message));
  auto loaded = tokenizer::load_tokenizer(**file);
  BOOST_REQUIRE_MESSAGE(loaded, (loaded ? "" : loaded.error().message));
  return std::move(*loaded);
}

std::unique_ptr<tokenizer::Tokenizer> vocabulary_of(const json::value& entry) {
  const testing::TemporaryDirectory directory;
  fs::copy_file(fixtures() / "tokenizers" / text_of(entry, "vocabulary") / "tokenizer.json",
                directory.path() / "tokenizer.json");
  const json::object names = {{"bos_token", entry.at("bos_token")}, {"eos_token", entry.at("eos_token")}};
  directory.write("tokenizer_config.json", json::serialize(names));
  return load(directory.path());
}

// The prompt's text, and its ids with BOS before them where the template writes none: the vocabularies ask for it.
void check(const tokenizer::Tokenizer& tokenizer, const json::value& document, const json::value& entry) {
  const std::string what = json::serialize(entry);
  auto created = ChatTemplate::create(read(fixtures() / "chat_templates" / (text_of(entry, "template") + ".jinja")),
                                      {"test", text_of(entry, "bos_token"), text_of(entry, "eos_token"), {}});
  BOOST_REQUIRE_MESSAGE(created, (created ? "" : created.error().message));
  std::vector<Message> messages;
  for (const json::value& message : document.at("conversations").at(text_of(entry, "conversation")).get_array())
    messages.push_back({text_of(message, "role"), {text_of(message, "content")}, ""});
  const auto prompt = created->render(messages, entry.at("add_generation_prompt").get_bool(), {});
  BOOST_REQUIRE_MESSAGE(prompt, (prompt ? "" : prompt.error().message));
  BOOST_TEST(prompt->bytes() == text_of(entry, "text"), what);

  std::vector<tokenizer::TokenId> expected;
  for (const json::value& id : entry.at("ids").get_array())
    expected.push_back(id.to_number<tokenizer::TokenId>());
  const auto bos = tokenizer.find(text_of(entry, "bos_token"));
  BOOST_REQUIRE(bos.has_value());
  if (expected.front() != *bos) expected.insert(expected.begin(), *bos);
  const auto found = encode_chat(tokenizer, *prompt);
  BOOST_TEST_CONTEXT(what) {
    BOOST_TEST(found == expected, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_SUITE(chat_tokens)

BOOST_AUTO_TEST_CASE(conversations_have_the_ids_that_transformers_gives) {
  const json::value document = parse_json(read(fixtures() / "chat_templates/tokens.json")).value();
  std::map<std::string, std::unique_ptr<tokenizer::Tokenizer>> vocabularies;
  std::map<std::string, std::size_t> compared;
  for (const json::value& entry : document.at("cases").get_array()) {
    const std::string name = text_of(entry, "vocabulary");
    auto& vocabulary = vocabularies[name];
    if (!vocabulary) vocabulary = vocabulary_of(entry);
    check(*vocabulary, document, entry);
    ++compared[name];
  }
  BOOST_TEST(compared["llama3"] >= 6U);
  for (const char* name : {"spm_prepend", "spm_first", "spm_split"})
    BOOST_TEST(compared[name] >= 20U, name);
}

// Files with scores mean what tokenizer.json says by a normalizer that puts a space before every stretch.
BOOST_AUTO_TEST_CASE(a_gguf_file_gives_conversations_the_same_ids) {
  const json::value document = parse_json(read(fixtures() / "chat_templates/tokens.json")).value();
  const auto vocabulary = load(fixtures() / "tokenizers/spm.gguf");
  for (const json::value& entry : document.at("cases").get_array()) {
    if (text_of(entry, "vocabulary") == "spm_prepend") check(*vocabulary, document, entry);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace llorch::chat
