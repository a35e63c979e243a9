// The ladder tells right from wrong, and where: on the random GPT-2 with its reference, whole and tampered with.
#include <algorithm>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "checkpoint/known_facts.hpp"
#include "checkpoint/ladder.hpp"
#include "host/checkpoint/climb_with.hpp"
#include "support/model_under_test.hpp"
#include "support/temporary_directory.hpp"

namespace fs = std::filesystem;
using llorch::checkpoint::climb;
using llorch::checkpoint::LadderResult;
using llorch::checkpoint::Reference;
using llorch::checkpoint::Verdict;
using llorch::testing::climb_with;
using llorch::testing::ModelUnderTest;
using llorch::testing::take;
using llorch::testing::TemporaryDirectory;

namespace {

ModelUnderTest& random_model() {
  static ModelUnderTest model("gpt2_cpu", "tests/fixtures/gpt2_random", "tests/fixtures/gpt2_random/reference");
  return model;
}
ModelUnderTest& trained_model() {
  static ModelUnderTest model("gpt2_cpu", "models/tiny-gpt2", "tests/fixtures/tiny_gpt2_reference");
  return model;
}

void climb_to_the_text(const ModelUnderTest& trained) {
  const auto tokenizer = take(llorch::tokenizer::load_tokenizer(trained.file()));
  const auto result = take(climb({&trained.model(), tokenizer.get(), 2}, trained.reference()));
  BOOST_TEST(result.passed(), result.first_difference);
  const auto& last = result.rungs.back();
  BOOST_TEST(last.number == "12");
  BOOST_TEST(std::any_of(last.findings.begin(), last.findings.end(),
                         [](const auto& f) { return f.subject == "case short: text" && f.verdict == Verdict::kYes; }));
}

/// A copy of the random model's reference in which one value of one file is changed.
struct TamperedReference {
  TemporaryDirectory dir;
  explicit TamperedReference(const std::string& file) {
    for (const auto& entry : fs::directory_iterator(random_model().reference().directory)) {
      fs::copy_file(entry.path(), dir.path() / entry.path().filename());
    }
    if (file.empty()) return;
    std::fstream stream(dir.path() / file, std::ios::in | std::ios::out | std::ios::binary);
    BOOST_REQUIRE(stream.is_open());
    stream.seekg(-4, std::ios::end);
    float value = 0;
    stream.read(reinterpret_cast<char*>(&value), sizeof value);
    value += 0.01F;
    stream.seekp(-4, std::ios::end);
    stream.write(reinterpret_cast<const char*>(&value), sizeof value);
  }
};

struct Tampering {
  const char* file;
  const char* rung;
  const char* where;
};
std::ostream& operator<<(std::ostream& out, const Tampering& t) {
  return out << t.file;
}

const std::vector<Tampering> tamperings = {
    {"short.0.attn_norm.npy", "1", "attn_norm, layer 0"},
    {"short.embed.npy", "1B", "embed"},
    {"short.0.q.npy", "2", "q, layer 0"},
    {"short.0.k.npy", "2", "k, layer 0"},
    {"short.0.v.npy", "2", "v, layer 0"},
    {"short.0.scores.npy", "4", "scores, layer 0"},
    {"short.0.attn_out.npy", "5", "attn_out, layer 0"},
    {"short.0.ffn_norm.npy", "6", "ffn_norm, layer 0"},
    {"short.0.ffn_out.npy", "6", "ffn_out, layer 0"},
    {"short.0.block_out.npy", "7", "block_out, layer 0"},
    {"short.2.q.npy", "8", "q, layer 2"},
    {"short.final_norm.npy", "8", "final_norm"},
    {"short.logits.npy", "8", "logits"},
    {"short.probs.npy", "11", "probabilities"},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(ladder)

BOOST_AUTO_TEST_CASE(every_rung_holds_on_the_right_reference) {
  const LadderResult result = climb_with(random_model(), random_model().reference().directory);
  BOOST_TEST(result.passed(), result.first_difference);
  BOOST_TEST(result.rungs.size() == 14U);
  for (const auto& rung : result.rungs) {
    BOOST_TEST((rung.verdict() == Verdict::kYes), "rung " << rung.number << " was skipped");
  }
}

BOOST_AUTO_TEST_CASE(the_trained_model_climbs_to_its_text) {
  climb_to_the_text(trained_model());
}

// <s> goes before the prompt.
BOOST_AUTO_TEST_CASE(a_trained_model_with_sentencepiece_climbs_to_its_text) {
  climb_to_the_text(ModelUnderTest("llama2_cpu", "models/tiny-llama2.gguf", "tests/fixtures/tiny_llama2_reference"));
}

BOOST_DATA_TEST_CASE(a_difference_is_found_at_its_rung_and_named, boost::unit_test::data::make(tamperings)) {
  const TamperedReference tampered(sample.file);
  const LadderResult result = climb_with(random_model(), tampered.dir.path());
  BOOST_TEST(!result.passed());
  BOOST_TEST(result.rungs.back().number == sample.rung, "stopped at rung " << result.rungs.back().number);
  BOOST_TEST(result.first_difference.find(sample.where) != std::string::npos, result.first_difference);
  BOOST_TEST(result.first_difference.find("short") != std::string::npos, result.first_difference);
}

BOOST_AUTO_TEST_CASE(other_weights_of_the_same_shape_are_called_another_model) {
  ModelUnderTest half("gpt2_cpu", "tests/fixtures/gpt2_random_f16", "tests/fixtures/gpt2_random_f16/reference");
  const LadderResult result = climb_with(half, random_model().reference().directory);
  BOOST_TEST(!result.passed());
  BOOST_TEST(result.first_difference.find("is this the reference's model?") != std::string::npos,
             result.first_difference);
}

BOOST_AUTO_TEST_CASE(a_model_of_another_shape_is_called_so) {
  const LadderResult result = climb_with(trained_model(), random_model().reference().directory);
  BOOST_TEST(!result.passed());
  BOOST_TEST(result.first_difference.find("is this the model of the reference?") != std::string::npos,
             result.first_difference);
}

BOOST_AUTO_TEST_CASE(ids_beyond_the_vocabulary_are_called_another_model) {
  const LadderResult result = climb_with(random_model(), trained_model().reference().directory);
  BOOST_TEST(!result.passed());
  BOOST_TEST(result.rungs.back().number == "0");
  BOOST_TEST(result.first_difference.find("not the model of the reference") != std::string::npos,
             result.first_difference);
}

BOOST_AUTO_TEST_CASE(a_tensor_file_that_is_missing_is_an_error_not_a_verdict) {
  const TamperedReference tampered("");
  fs::remove(tampered.dir.path() / "short.0.attn_norm.npy");
  const auto result = climb({&random_model().model(), nullptr, 1}, take(Reference::read(tampered.dir.path())));
  BOOST_REQUIRE(!result);
  BOOST_TEST(result.error().message.find("short.0.attn_norm.npy") != std::string::npos, result.error().message);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(known_facts)

namespace {
/// The trained model as if others had published what its reference says.
llorch::checkpoint::KnownModel published() {
  const auto& c = trained_model().reference_case("short");
  llorch::checkpoint::KnownModel out{"tiny", "gpt2", 0, 0, 0, trained_model().info().vocab_size, 0, {}};
  const auto& metadata = trained_model().file().metadata();
  out.n_layers = take(metadata.u64("gpt2.block_count"));
  out.n_heads = take(metadata.u64("gpt2.attention.head_count"));
  out.n_embd = take(metadata.u64("gpt2.embedding_length"));
  out.context_length = take(metadata.u64("gpt2.context_length"));
  out.texts.push_back({*c.prompt, c.prompt_ids, {}, std::string_view(*c.greedy_text).substr(0, 40), "a friend"});
  out.texts.push_back({"", c.prompt_ids, {c.greedy_ids.begin(), c.greedy_ids.begin() + 20}, "", "a friend"});
  return out;
}
LadderResult check_published(const llorch::checkpoint::KnownModel& known) {
  const auto tokenizer = take(llorch::tokenizer::load_tokenizer(trained_model().file()));
  return take(check_known({&trained_model().model(), tokenizer.get(), 1}, trained_model().file(), known));
}
}  // namespace

BOOST_AUTO_TEST_CASE(true_facts_hold) {
  const LadderResult result = check_published(published());
  BOOST_TEST(result.passed(), result.first_difference);
  BOOST_TEST(result.rungs.size() == 2U);
}

BOOST_AUTO_TEST_CASE(another_text_is_shown_beside_the_published_one_with_its_source) {
  auto known = published();
  known.texts[0].new_text = " Nobody ever wrote this.";
  const LadderResult result = check_published(known);
  BOOST_TEST(!result.passed());
  BOOST_TEST(result.first_difference.find("Nobody ever wrote this") != std::string::npos, result.first_difference);
  BOOST_TEST(result.first_difference.find("a friend") != std::string::npos, result.first_difference);
}

BOOST_AUTO_TEST_CASE(another_tokenization_of_the_prompt_is_a_difference) {
  auto known = published();
  known.texts[0].prompt_ids.back() += 1;
  BOOST_TEST(check_published(known).first_difference.find("the prompt's ids") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_model_of_another_size_is_called_another_model) {
  const auto* known = take(llorch::checkpoint::find_known_model("gpt2-medium"));
  const LadderResult result = check_published(*known);
  BOOST_TEST(!result.passed());
  BOOST_TEST(result.rungs.back().number == "0");
  BOOST_TEST(result.first_difference.find("gpt2-medium has 24: this is another model") != std::string::npos,
             result.first_difference);
}

BOOST_AUTO_TEST_CASE(an_unknown_name_lists_the_known_ones) {
  const auto known = llorch::checkpoint::find_known_model("gpt5");
  BOOST_REQUIRE(!known);
  BOOST_TEST(known.error().message.find("gpt2, gpt2-medium") != std::string::npos, known.error().message);
}

BOOST_AUTO_TEST_SUITE_END()
