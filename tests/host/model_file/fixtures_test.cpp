// Files that other programs wrote: the project's fixtures, and real ones where they are at hand.
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "expect.hpp"
#include "support/real_data.hpp"

namespace {

using namespace llorch::testing;
using llorch::model_file::ModelFile;
namespace fs = std::filesystem;

std::vector<std::byte> bytes_of(const ModelFile& model, std::size_t index) {
  std::vector<std::byte> out(model.tensors()[index].nbytes);
  BOOST_REQUIRE(model.read_tensor(index, 0, out).has_value());
  return out;
}

BOOST_AUTO_TEST_SUITE(fixtures)

BOOST_AUTO_TEST_CASE(a_directory_and_its_gguf_twin_are_the_same_model) {
  const fs::path folder = fs::path(LLORCH_SOURCE_DIR) / "tests/fixtures";
  const auto directory = expect_opened(folder / "gpt2_random");
  const auto gguf = expect_opened(folder / "gpt2_random.gguf");
  BOOST_REQUIRE(directory->tensors().size() == gguf->tensors().size());
  for (std::size_t i = 0; i < gguf->tensors().size(); ++i) {
    const auto& a = directory->tensors()[i];
    const auto& b = gguf->tensors()[i];
    BOOST_TEST(a.name == b.name);
    BOOST_TEST(a.ggml_type == b.ggml_type, a.name);
    BOOST_TEST(a.dims == b.dims, a.name);
    BOOST_TEST((bytes_of(*directory, i) == bytes_of(*gguf, i)), a.name);
  }
  for (const char* key : {"gpt2.context_length", "gpt2.embedding_length", "gpt2.feed_forward_length",
                          "gpt2.block_count", "gpt2.attention.head_count"}) {
    BOOST_TEST(*directory->metadata().u64(key) == *gguf->metadata().u64(key), key);
  }
}

BOOST_AUTO_TEST_CASE(half_precision_directories_keep_their_types) {
  const fs::path folder = fs::path(LLORCH_SOURCE_DIR) / "tests/fixtures";
  BOOST_TEST(expect_opened(folder / "gpt2_random_f16")->tensors()[0].ggml_type == 1U);
  BOOST_TEST(expect_opened(folder / "gpt2_random_bf16")->tensors()[0].ggml_type == 30U);
  BOOST_TEST(*expect_opened(folder / "gpt2_random_gelu")->metadata().string("gpt2.hidden_activation") == "gelu");
}

BOOST_AUTO_TEST_CASE(real_vocabulary_files_open) {
  const std::vector<std::pair<std::string, std::size_t>> cases = {
      {"ggml-vocab-gpt-2.gguf", 50257}, {"ggml-vocab-llama-bpe.gguf", 128256}, {"ggml-vocab-llama-spm.gguf", 32000}};
  for (const auto& [name, tokens] : cases) {
    const auto path = real_data("llama_tokenizers/" + name);
    if (path.empty()) return;
    expect_refused(path, {"holds no tensors"});
    const auto model = expect_opened(path, {.vocabulary_only = true});
    BOOST_TEST(model->metadata().strings("tokenizer.ggml.tokens")->size() == tokens);
  }
}

BOOST_AUTO_TEST_CASE(a_real_llama_file_opens_with_its_own_names) {
  const auto path = real_data("stories260K/stories260K.gguf");
  if (path.empty()) return;
  const auto model = expect_opened(path);
  BOOST_TEST(model->architecture() == "llama");
  BOOST_TEST(model->tensors().size() == 48U);
  BOOST_TEST(*model->metadata().u64("llama.block_count") == 5U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
