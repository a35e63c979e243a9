// The ladder climbs models with rotary positions too, and says where a rotation is wrong.
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "checkpoint/ladder.hpp"
#include "support/model_under_test.hpp"
#include "support/temporary_directory.hpp"

using llorch::checkpoint::climb;
using llorch::checkpoint::LadderResult;
using llorch::checkpoint::Reference;
using llorch::checkpoint::Verdict;
using llorch::testing::ModelUnderTest;
using llorch::testing::take;

namespace {

LadderResult climb_with(const ModelUnderTest& model, const std::filesystem::path& reference) {
  return take(climb({&model.model(), nullptr, 1}, take(Reference::read(reference))));
}

}  // namespace

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
