// The ladder climbs models with rotary positions too, and says where a rotation is wrong.
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>

#include "checkpoint/known_facts.hpp"
#include "checkpoint/ladder.hpp"
#include "host/checkpoint/climb_with.hpp"
#include "support/model_under_test.hpp"
#include "support/real_data.hpp"
#include "support/temporary_directory.hpp"

using llorch::checkpoint::LadderResult;
using llorch::checkpoint::Verdict;
using llorch::testing::climb_with;
using llorch::testing::ModelUnderTest;
using llorch::testing::take;

BOOST_AUTO_TEST_SUITE(ladder_llama)

BOOST_AUTO_TEST_CASE(every_rung_holds_on_each_random_model_of_the_family) {
  for (const std::string name :
       {"llama_random", "llama_random_llama3", "llama_random_yarn", "llama_random_linear", "mistral_random"}) {
    const std::string path = "tests/fixtures/" + name;
    const ModelUnderTest model("llama2_cpu", path, path + "/reference");
    const LadderResult result = climb_with(model, model.reference().directory);
    BOOST_TEST(result.passed(), name << ": " << result.first_difference);
    BOOST_TEST(result.rungs.size() == 14U, name);
    for (const auto& rung : result.rungs)
      BOOST_TEST((rung.verdict() == Verdict::kYes), name << ", rung " << rung.number);
  }
}

BOOST_AUTO_TEST_CASE(a_wrong_rotation_is_found_on_the_rung_of_positions) {
  const std::string path = "tests/fixtures/llama_random";
  const ModelUnderTest model("llama2_cpu", path, path + "/reference");
  for (const std::string file : {"short.0.q_rotated.npy", "short.0.k_rotated.npy"}) {
    const llorch::testing::TemporaryDirectory copy;
    for (const auto& entry : std::filesystem::directory_iterator(model.reference().directory))
      std::filesystem::copy_file(entry.path(), copy.path() / entry.path().filename());
    std::fstream stream(copy.path() / file, std::ios::in | std::ios::out | std::ios::binary);
    BOOST_REQUIRE(stream.is_open());
    const float wrong = 100.0F;
    stream.seekp(-4, std::ios::end);
    stream.write(reinterpret_cast<const char*>(&wrong), sizeof wrong);
    stream.close();
    const LadderResult result = climb_with(model, copy.path());
    BOOST_TEST(!result.passed());
    BOOST_TEST(result.rungs.back().number == "1B");
    const std::string tap = file.substr(8, 9);
    BOOST_TEST(result.first_difference.find(tap + ", layer 0") != std::string::npos, result.first_difference);
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(known_facts_of_llama)

namespace {

/// What is known of Llama-2's texts, asked of a small model of the family.
llorch::checkpoint::KnownModel as_if_small(const ModelUnderTest& model, bool with_continuations) {
  llorch::checkpoint::KnownModel out = *take(llorch::checkpoint::find_known_model("llama-2-7b"));
  const auto& metadata = model.file().metadata();
  out.n_layers = take(metadata.u64("llama.block_count"));
  out.n_heads = take(metadata.u64("llama.attention.head_count"));
  out.n_embd = take(metadata.u64("llama.embedding_length"));
  out.context_length = take(metadata.u64("llama.context_length"));
  out.vocab_size = model.info().vocab_size;
  if (with_continuations) return out;
  for (auto& text : out.texts)
    text.new_text = {};
  return out;
}

LadderResult check_known_on(const ModelUnderTest& model, const llorch::tokenizer::Tokenizer& tokenizer,
                            const llorch::checkpoint::KnownModel& known) {
  return take(llorch::checkpoint::check_known({&model.model(), &tokenizer, 1}, model.file(), known));
}

ModelUnderTest& small_model() {
  static ModelUnderTest model("llama2_cpu", "models/tiny-llama2.gguf", "tests/fixtures/tiny_llama2_reference");
  return model;
}

/// Llama-2's own; null where it is absent.
std::unique_ptr<llorch::tokenizer::Tokenizer> llama2_tokenizer() {
  const auto path = llorch::testing::real_data("llama_tokenizers/ggml-vocab-llama-spm.gguf");
  if (path.empty()) return nullptr;
  const auto file = take(llorch::model_file::ModelFile::open(path, {.vocabulary_only = true}));
  return take(llorch::tokenizer::load_tokenizer(*file));
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_prompts_have_the_published_ids_in_the_real_vocabulary) {
  const auto tokenizer = llama2_tokenizer();
  if (tokenizer == nullptr) return;
  const auto known = as_if_small(small_model(), false);
  const LadderResult result = check_known_on(small_model(), *tokenizer, known);
  BOOST_TEST(result.passed(), result.first_difference);
  BOOST_TEST(result.rungs.back().findings.size() == known.texts.size());
}

BOOST_AUTO_TEST_CASE(other_ids_in_the_real_vocabulary_are_shown_beside_the_published_ones) {
  const auto tokenizer = llama2_tokenizer();
  if (tokenizer == nullptr) return;
  auto known = as_if_small(small_model(), false);
  known.texts[0].prompt_ids = {1, 15044};
  BOOST_TEST(check_known_on(small_model(), *tokenizer, known)
                 .first_difference.starts_with("\"Hello\": the prompt's ids are 1 15043, published: 1 15044 ("));
  known = as_if_small(small_model(), false);
  known.texts[0].add_special = false;
  BOOST_TEST(check_known_on(small_model(), *tokenizer, known)
                 .first_difference.starts_with("\"Hello\": the prompt's ids are 15043, published: 1 15043 ("));
}

BOOST_AUTO_TEST_CASE(another_vocabulary_has_other_ids) {
  const auto tokenizer = take(llorch::tokenizer::load_tokenizer(small_model().file()));
  const LadderResult result = check_known_on(small_model(), *tokenizer, as_if_small(small_model(), true));
  BOOST_TEST(!result.passed());
  BOOST_TEST(result.first_difference.find("published: 1 15043 (") != std::string::npos, result.first_difference);
}

BOOST_AUTO_TEST_CASE(a_text_that_goes_on_with_a_space_is_compared_with_it) {
  const auto tokenizer = take(llorch::tokenizer::load_tokenizer(small_model().file()));
  const auto& c = small_model().reference_case("short");
  const std::string goes_on = " " + c.greedy_text->substr(0, 30);
  auto known = as_if_small(small_model(), false);
  known.texts = {{*c.prompt, c.prompt_ids, {}, goes_on, "a friend", true}};
  BOOST_TEST(check_known_on(small_model(), *tokenizer, known).passed());
  known.texts[0].new_text = std::string_view(goes_on).substr(1);
  BOOST_TEST(!check_known_on(small_model(), *tokenizer, known).passed());
}

BOOST_AUTO_TEST_CASE(a_small_model_is_not_llama_2) {
  const auto tokenizer = take(llorch::tokenizer::load_tokenizer(small_model().file()));
  const LadderResult result =
      check_known_on(small_model(), *tokenizer, *take(llorch::checkpoint::find_known_model("llama-2-7b")));
  BOOST_TEST(result.rungs.back().number == "0");
  BOOST_TEST(result.first_difference.find("llama-2-7b has 32: this is another model") != std::string::npos,
             result.first_difference);
}

BOOST_AUTO_TEST_SUITE_END()
