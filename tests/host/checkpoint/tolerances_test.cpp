// Which tolerances a file gets, and what a reference's figures of another program are good for.
#include "checkpoint/tolerances.hpp"

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

#include "checkpoint/difference.hpp"
#include "checkpoint/ladder.hpp"
#include "host/checkpoint/climb_with.hpp"
#include "support/model_under_test.hpp"
#include "support/temporary_directory.hpp"

using llorch::checkpoint::LadderResult;
using llorch::checkpoint::Tolerance;
using llorch::checkpoint::tolerances_for;
using llorch::testing::climb_with;
using llorch::testing::ModelUnderTest;

namespace {

const std::string kQuantized = "tests/fixtures/quantized/q4_k_m";

}  // namespace

BOOST_AUTO_TEST_SUITE(tolerances)

BOOST_AUTO_TEST_CASE(a_relative_tolerance_is_a_share_of_the_root_mean_square_of_what_is_finite) {
  const float expected[] = {3.0F, -4.0F, -std::numeric_limits<float>::infinity(), 0.0F, 0.0F};
  BOOST_TEST(Tolerance(0.5, 0.1).of(expected) == 0.75);
  BOOST_TEST(Tolerance(0.5, 0.1).of({}) == 0.5);
  BOOST_TEST(Tolerance(0.5).of(expected) == 0.5);
}

BOOST_AUTO_TEST_CASE(only_files_with_quantized_matrices_get_relative_tolerances) {
  BOOST_TEST(
      tolerances_for(ModelUnderTest("llama2_cpu", kQuantized + ".gguf", kQuantized).file()).rounds_activations());
  for (const std::string name : {"llama_random", "llama_random_yarn", "llama_random_llama3"}) {
    const std::string path = "tests/fixtures/" + name;
    const ModelUnderTest model("llama2_cpu", path, path + "/reference");
    BOOST_TEST(!tolerances_for(model.file()).rounds_activations(), name);
  }
}

BOOST_AUTO_TEST_CASE(agreement_is_errors_of_logits_divergence_of_probabilities_and_the_same_best_token) {
  // Rows (0, ln 3) and (0, 0) against (0, 0) twice: KL((1/2, 1/2) || (1/4, 3/4)) = ln(4/3) / 2.
  const float actual[] = {0.0F, 1.0986123F, 0.0F, 0.0F};
  const float expected[] = {0.0F, 0.0F, 0.0F, 0.0F};
  const auto found = llorch::checkpoint::agreement(actual, expected, 2);
  BOOST_TEST(found.max_error == 1.0986123, boost::test_tools::tolerance(1e-6));
  BOOST_TEST(found.mean_error == 1.0986123 / 4, boost::test_tools::tolerance(1e-6));
  BOOST_TEST(found.kl == 0.1438410 / 2, boost::test_tools::tolerance(1e-6));
  BOOST_TEST(found.rows == 2U);
  BOOST_TEST(found.same_best == 1U);
}

BOOST_AUTO_TEST_CASE(every_rung_holds_on_a_file_of_several_quantized_types) {
  const ModelUnderTest model("llama2_cpu", kQuantized + ".gguf", kQuantized);
  const LadderResult result = climb_with(model, model.reference().directory, tolerances_for(model.file()));
  BOOST_TEST(result.passed(), result.first_difference);
  BOOST_TEST(result.rungs.size() == 14U);
}

BOOST_AUTO_TEST_CASE(the_tolerances_of_f32_do_not_hold_on_it) {
  const ModelUnderTest model("llama2_cpu", kQuantized + ".gguf", kQuantized);
  const LadderResult result = climb_with(model, model.reference().directory);
  BOOST_TEST(!result.passed());
  BOOST_TEST(result.rungs.back().number == "1B");
}

BOOST_AUTO_TEST_CASE(figures_of_another_program_that_are_better_fail_the_rung_of_the_logits) {
  const ModelUnderTest model("llama2_cpu", kQuantized + ".gguf", kQuantized);
  const llorch::testing::TemporaryDirectory copy;
  for (const auto& entry : std::filesystem::directory_iterator(model.reference().directory))
    std::filesystem::copy_file(entry.path(), copy.path() / entry.path().filename());
  const auto manifest = copy.path() / "manifest.json";
  std::ostringstream text;
  text << std::ifstream(manifest).rdbuf();
  std::string edited = text.str();
  const std::string key = "\"mean_error\": ";
  const auto at = edited.rfind(key);  // the first is of another run of it
  BOOST_REQUIRE(at != std::string::npos);
  edited.replace(at + key.size(), edited.find_first_of(",\n}", at) - at - key.size(), "1e-3");
  std::ofstream(manifest, std::ios::trunc) << edited;
  const LadderResult result = climb_with(model, copy.path(), tolerances_for(model.file()));
  BOOST_TEST(!result.passed());
  BOOST_TEST(result.rungs.back().number == "8");
  BOOST_TEST(result.first_difference.find("llama.cpp shows 1.000e-03") != std::string::npos, result.first_difference);
}

BOOST_AUTO_TEST_SUITE_END()
