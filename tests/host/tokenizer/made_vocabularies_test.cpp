// Small vocabularies made by the sentencepiece and tokenizers packages, in every form that is read, and their ids.
#include <boost/json/value.hpp>
#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "cases.hpp"
#include "support/temporary_directory.hpp"
#include "tokenizer/incremental_decoder.hpp"

namespace llorch::tokenizer {
namespace {

namespace fs = std::filesystem;
using llorch::testing::TemporaryDirectory;

fs::path fixtures() {
  return fs::path(LLORCH_SOURCE_DIR) / "tests/fixtures/tokenizers";
}

/// Ids of every text, and their text again: all at once, and token by token.
void check(const Tokenizer& tokenizer, const char* cases_file, std::string_view ids_key, bool parse_special) {
  const auto document = parse_json(testing::read_file(fixtures() / cases_file));
  BOOST_REQUIRE(document);
  const auto& cases = document->as_object().at("cases").as_array();
  BOOST_REQUIRE_GT(cases.size(), 300u);
  for (const auto& entry : cases) {
    const std::string_view text = entry.as_object().at("text").as_string();
    std::vector<TokenId> expected;
    for (const auto& id : entry.as_object().at(ids_key).as_array())
      expected.push_back(id.to_number<TokenId>());
    const auto found = tokenizer.encode(text, {.parse_special = parse_special});
    BOOST_TEST(found == expected, cases_file << ": '" << text << "': expected " << testing::to_string(expected)
                                             << ", found " << testing::to_string(found));
    const std::string decoded = tokenizer.decode(found);
    if (ids_key == "ids" || entry.as_object().contains("ids") == false) {
      const std::string_view wanted = entry.as_object().at("decoded").as_string();
      BOOST_TEST(decoded == wanted, cases_file << ": '" << text << "' decodes to '" << decoded << "'");
    }
    IncrementalDecoder stream;
    std::string streamed;
    for (const TokenId id : found)
      streamed += stream.push(tokenizer.token_bytes(id));
    streamed += stream.flush();
    // Token by token, the space that stands before the whole text is still there.
    const bool has_space = tokenizer.adds_leading_space() && streamed.starts_with(' ');
    BOOST_TEST(streamed.substr(has_space ? 1 : 0) == decoded);
  }
}

BOOST_AUTO_TEST_SUITE(made_vocabularies)

BOOST_AUTO_TEST_CASE(sentencepiece_from_gguf_is_exact) {
  const auto tokenizer = testing::load(fixtures() / "spm.gguf");
  check(*tokenizer, "spm.cases.json", "ids_special_as_text", false);
  BOOST_TEST((tokenizer->bos() == 1));
  BOOST_TEST(tokenizer->ends_generation(2));
  BOOST_TEST((tokenizer->encode("", {.add_special = true}) == std::vector<TokenId>{1}));
}

BOOST_AUTO_TEST_CASE(sentencepiece_from_its_own_file_is_exact) {
  const TemporaryDirectory directory;
  fs::copy_file(fixtures() / "spm.model", directory.path() / "tokenizer.model");
  const auto tokenizer = testing::load(directory.path());
  check(*tokenizer, "spm.cases.json", "ids_special_as_text", false);
  BOOST_TEST((tokenizer->bos() == 1));
  BOOST_TEST((tokenizer->eos() == 2));
  BOOST_TEST((tokenizer->encode("", {.add_special = true}) == std::vector<TokenId>{1}));
  BOOST_TEST((tokenizer->encode("<s></s>", {.parse_special = true}) == std::vector<TokenId>{1, 2}));
}

BOOST_AUTO_TEST_CASE(sentencepiece_from_tokenizer_json_is_exact) {
  for (const auto& [name, cases] :
       {std::pair{"spm_prepend", "spm_prepend.cases.json"}, std::pair{"spm_first", "spm_first.cases.json"},
        std::pair{"spm_split", "spm_split.cases.json"}}) {
    const TemporaryDirectory directory;
    fs::copy_file(fixtures() / name / "tokenizer.json", directory.path() / "tokenizer.json");
    const auto tokenizer = testing::load(directory.path());
    BOOST_TEST(tokenizer->kind() == "SentencePiece BPE");
    check(*tokenizer, cases, "ids", true);
    check(*tokenizer, cases, "ids_special_as_text", false);
    BOOST_TEST((tokenizer->encode("", {.add_special = true}) == std::vector<TokenId>{1}));
  }
}

BOOST_AUTO_TEST_CASE(llama3_from_tokenizer_json_is_exact) {
  const TemporaryDirectory directory;
  fs::copy_file(fixtures() / "llama3/tokenizer.json", directory.path() / "tokenizer.json");
  const auto tokenizer = testing::load(directory.path());
  check(*tokenizer, "llama3.cases.json", "ids", true);
  check(*tokenizer, "llama3.cases.json", "ids_special_as_text", false);
  const auto begin = tokenizer->find("<|begin_of_text|>");
  const auto turn = tokenizer->find("<|eot_id|>");
  BOOST_REQUIRE((begin && turn));
  BOOST_TEST((tokenizer->encode("", {.add_special = true}) == std::vector<TokenId>{*begin}));
  BOOST_TEST(tokenizer->ends_generation(*turn));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace llorch::tokenizer
