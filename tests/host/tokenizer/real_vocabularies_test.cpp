// The real GPT-2 vocabulary in its three forms, and the project's own model.
#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "cases.hpp"
#include "support/real_data.hpp"
#include "support/temporary_directory.hpp"

namespace llorch::tokenizer {
namespace {

namespace fs = std::filesystem;
using llorch::testing::real_data;
using llorch::testing::TemporaryDirectory;

constexpr TokenId kEndOfText = 50256;

void check_gpt2(const Tokenizer& tokenizer, const fs::path& cases) {
  testing::check_cases(tokenizer, cases, "ids", {});
  BOOST_TEST(tokenizer.vocab_size() == 50257u);
  BOOST_TEST((tokenizer.eos() == kEndOfText));
  BOOST_TEST((tokenizer.bos() == kEndOfText));
  BOOST_TEST(tokenizer.is_special(kEndOfText));
  BOOST_TEST(!tokenizer.is_special(50255));
  BOOST_TEST(tokenizer.ends_generation(kEndOfText));
  BOOST_TEST((tokenizer.find("<|endoftext|>") == kEndOfText));
  BOOST_TEST((tokenizer.find(" the") == 262));
  BOOST_TEST(
      (tokenizer.encode("a<|endoftext|>b", {.parse_special = true}) == std::vector<TokenId>{64, kEndOfText, 65}));
  BOOST_TEST((tokenizer.encode("a<|endoftext|>b").size() > 3u));
}

BOOST_AUTO_TEST_SUITE(real_vocabularies)

BOOST_AUTO_TEST_CASE(gpt2_from_gguf_metadata_is_exact) {
  const fs::path model = real_data("llama_tokenizers/ggml-vocab-gpt-2.gguf");
  const fs::path cases = real_data("llama_tokenizers/gpt-2.cases.json");
  if (model.empty() || cases.empty()) return;
  check_gpt2(*testing::load(model), cases);
}

BOOST_AUTO_TEST_CASE(gpt2_from_tokenizer_json_is_exact) {
  const fs::path directory = real_data("gpt2_tokenizer");
  const fs::path cases = real_data("llama_tokenizers/gpt-2.cases.json");
  if (directory.empty() || cases.empty()) return;
  check_gpt2(*testing::load(directory), cases);
}

BOOST_AUTO_TEST_CASE(gpt2_from_vocabulary_and_merges_is_exact) {
  const fs::path directory = real_data("gpt2_tokenizer");
  const fs::path cases = real_data("llama_tokenizers/gpt-2.cases.json");
  if (directory.empty() || cases.empty()) return;
  const TemporaryDirectory copy;
  for (const char* name : {"vocab.json", "merges.txt", "tokenizer_config.json"}) {
    fs::copy_file(directory / name, copy.path() / name);
  }
  check_gpt2(*testing::load(copy.path()), cases);
}

BOOST_AUTO_TEST_CASE(llama2_from_gguf_metadata_is_exact) {
  const fs::path model = real_data("llama_tokenizers/ggml-vocab-llama-spm.gguf");
  const fs::path cases = real_data("llama_tokenizers/llama-spm.cases.json");
  if (model.empty() || cases.empty()) return;
  const auto tokenizer = testing::load(model);
  testing::check_cases(*tokenizer, cases, "ids", {});
  BOOST_TEST(tokenizer->kind() == "SentencePiece BPE");
  BOOST_TEST(tokenizer->vocab_size() == 32000u);
  BOOST_TEST((tokenizer->bos() == 1));
  BOOST_TEST((tokenizer->eos() == 2));
  BOOST_TEST(tokenizer->ends_generation(2));
  BOOST_TEST(tokenizer->is_special(0));
  BOOST_TEST(!tokenizer->is_special(3));
  BOOST_TEST(tokenizer->token_bytes(15043) == " Hello");
  BOOST_TEST(tokenizer->token_bytes(13) == "\n");
  BOOST_TEST((tokenizer->encode("Hello", {.add_special = true}) == std::vector<TokenId>{1, 15043}));
  BOOST_TEST((tokenizer->encode("<s>Hello</s>", {.parse_special = true}) == std::vector<TokenId>{1, 15043, 2}));
}

BOOST_AUTO_TEST_CASE(llama3_from_gguf_metadata_is_exact) {
  const fs::path model = real_data("llama_tokenizers/ggml-vocab-llama-bpe.gguf");
  const fs::path cases = real_data("llama_tokenizers/llama-bpe.cases.json");
  if (model.empty() || cases.empty()) return;
  const auto tokenizer = testing::load(model);
  testing::check_cases(*tokenizer, cases, "ids", {});
  BOOST_TEST(tokenizer->vocab_size() == 128256u);
  const auto end_of_turn = tokenizer->find("<|eot_id|>");
  BOOST_REQUIRE(end_of_turn.has_value());
  BOOST_TEST(tokenizer->ends_generation(*end_of_turn));
  BOOST_TEST(tokenizer->ends_generation(128001));
  BOOST_TEST((tokenizer->encode("", {.add_special = true}) == std::vector<TokenId>{128000}));
}

BOOST_AUTO_TEST_CASE(stories260k_has_the_ids_of_its_own_prompt) {
  const fs::path model = real_data("stories260K/stories260K.gguf");
  if (model.empty()) return;
  const auto tokenizer = testing::load(model);
  BOOST_TEST(
      (tokenizer->encode("Once upon a time", {.add_special = true}) == std::vector<TokenId>{1, 403, 407, 261, 378}));
  BOOST_TEST(tokenizer->decode({403, 407, 261, 378, 432, 383, 286}) == "Once upon a time, there was");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(shipped_vocabulary)

BOOST_AUTO_TEST_CASE(tiny_gpt2_is_exact_with_special_tokens_parsed_and_not) {
  const fs::path source = LLORCH_SOURCE_DIR;
  const auto tokenizer = testing::load(source / "models/tiny-gpt2");
  const fs::path cases = source / "tests/fixtures/tokenizer_tiny.cases.json";
  testing::check_cases(*tokenizer, cases, "ids", {.parse_special = true});
  testing::check_cases(*tokenizer, cases, "ids_special_as_text", {});
  const auto end = tokenizer->find("<|endoftext|>");
  BOOST_REQUIRE(end.has_value());
  BOOST_TEST((tokenizer->eos() == end));
  BOOST_TEST(tokenizer->is_special(*end));
}

BOOST_AUTO_TEST_CASE(tiny_gpt2_is_the_same_from_vocabulary_and_merges) {
  const fs::path source = LLORCH_SOURCE_DIR;
  const TemporaryDirectory copy;
  for (const char* name : {"vocab.json", "merges.txt"}) {
    fs::copy_file(source / "models/tiny-gpt2" / name, copy.path() / name);
  }
  const auto tokenizer = testing::load(copy.path());
  const fs::path cases = source / "tests/fixtures/tokenizer_tiny.cases.json";
  testing::check_cases(*tokenizer, cases, "ids", {.parse_special = true});
  testing::check_cases(*tokenizer, cases, "ids_special_as_text", {});
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace llorch::tokenizer
