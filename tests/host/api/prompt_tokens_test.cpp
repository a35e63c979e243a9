// Prompts to ids: BOS once, whether the rules or the text bring it.
#include "api/prompt_tokens.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "model_file/model_file.hpp"
#include "support/temporary_directory.hpp"

namespace {

namespace fs = std::filesystem;
namespace tokenizer = llorch::tokenizer;
using llorch::testing::TemporaryDirectory;
using Ids = std::vector<std::int32_t>;

std::unique_ptr<tokenizer::Tokenizer> load(const fs::path& path) {
  const auto file = llorch::model_file::ModelFile::open(path, {.vocabulary_only = true});
  BOOST_REQUIRE_MESSAGE(file, (file ? "" : file.error().message));
  auto loaded = tokenizer::load_tokenizer(**file);
  BOOST_REQUIRE_MESSAGE(loaded, (loaded ? "" : loaded.error().message));
  return std::move(*loaded);
}

fs::path fixtures() {
  return fs::path(LLORCH_SOURCE_DIR) / "tests/fixtures/tokenizers";
}

// A prompt with and without BOS in its text, for a vocabulary whose rules add it.
void check_bos_comes_once(const tokenizer::Tokenizer& tokenizer, const std::string& bos, const std::string& rest) {
  const auto id = tokenizer.find(bos);
  BOOST_REQUIRE(id.has_value());
  Ids expected = tokenizer.encode(rest, {.parse_special = true});
  expected.insert(expected.begin(), *id);
  const auto prompt = [&](const std::string& text) { return llorch::api::encode_prompt(tokenizer, text); };
  BOOST_TEST(prompt(rest) == expected, boost::test_tools::per_element());
  BOOST_TEST(prompt(bos + rest) == expected, boost::test_tools::per_element());
  expected.insert(expected.begin(), *id);  // a text that has two keeps two
  BOOST_TEST(prompt(bos + bos + rest) == expected, boost::test_tools::per_element());
  BOOST_TEST(prompt("") == Ids{*id}, boost::test_tools::per_element());
  BOOST_TEST(prompt(bos) == Ids{*id}, boost::test_tools::per_element());
  // BOS further on is another matter.
  const Ids later = prompt("x" + bos);
  BOOST_TEST(std::count(later.begin(), later.end(), *id) == 2);
}

BOOST_AUTO_TEST_SUITE(prompt_tokens)

BOOST_AUTO_TEST_CASE(a_prompt_that_spells_llama_2s_bos_has_it_once) {
  check_bos_comes_once(*load(fixtures() / "spm.gguf"), "<s>", "[INST] the big dog [/INST]");
}

BOOST_AUTO_TEST_CASE(a_prompt_that_spells_llama_3s_bos_has_it_once) {
  const std::string turn = "<|start_header_id|>user<|end_header_id|>\n\nhello<|eot_id|>";
  const TemporaryDirectory directory;
  fs::copy_file(fixtures() / "llama3/tokenizer.json", directory.path() / "tokenizer.json");
  check_bos_comes_once(*load(directory.path()), "<|begin_of_text|>", turn);  // no file names BOS
  directory.write("tokenizer_config.json", R"({"bos_token":"<|begin_of_text|>","eos_token":"<|end_of_text|>"})");
  check_bos_comes_once(*load(directory.path()), "<|begin_of_text|>", turn);
}

BOOST_AUTO_TEST_CASE(a_prompt_for_a_vocabulary_that_adds_no_bos_has_what_its_text_spells) {
  const TemporaryDirectory directory;
  fs::copy_file(fixtures() / "llama3/tokenizer.json", directory.path() / "tokenizer.json");
  directory.write("tokenizer_config.json", R"({"tokenizer_class":"LlamaTokenizer","bos_token":"<|begin_of_text|>",
    "eos_token":"<|begin_of_text|>","add_bos_token":false,"add_eos_token":true})");
  const auto tokenizer = load(directory.path());
  const auto bos = tokenizer->find("<|begin_of_text|>");
  BOOST_REQUIRE(bos.has_value());
  const auto begins = [&](const std::string& text) {
    const Ids ids = llorch::api::encode_prompt(*tokenizer, text);
    std::size_t count = 0;
    while (count < ids.size() && ids[count] == *bos)
      ++count;
    return count;
  };
  BOOST_TEST(begins("hello") == 0U);
  BOOST_TEST(begins("<|begin_of_text|>hello") == 1U);
  BOOST_TEST(begins("<|begin_of_text|><|begin_of_text|>hello") == 2U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
