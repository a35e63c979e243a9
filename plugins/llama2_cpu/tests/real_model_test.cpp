// The real stories260K, where it is present: ids and log-probabilities as llama.cpp gave them.
#include <boost/json/parse.hpp>
#include <cmath>

#include "model_file/file.hpp"
#include "sampling/sampler.hpp"
#include "support/model_under_test.hpp"
#include "support/real_data.hpp"

using llorch::testing::take;
namespace json = boost::json;

namespace {

/// The model and what it should say, or nothing where they are absent.
struct Stories {
  std::unique_ptr<llorch::model_file::ModelFile> file;
  std::shared_ptr<llorch::plugin::Plugin> plugin;
  std::shared_ptr<llorch::plugin::Model> model;
  json::object expected;

  Stories() {
    const auto path = llorch::testing::real_data("stories260K/stories260K.gguf");
    const auto facts = llorch::testing::real_data("stories260K/expected.json");
    if (path.empty() || facts.empty()) return;
    file = take(llorch::model_file::ModelFile::open(path));
    plugin = take(llorch::plugin::Plugin::load(llorch::testing::plugin_path("llama2_cpu")));
    model = take(plugin->create_model(file->source()));
    expected = json::parse(take(llorch::model_file::read_text_file(facts, 1U << 20U))).as_object();
  }
  [[nodiscard]] std::vector<std::int32_t> ids(const char* key) const {
    std::vector<std::int32_t> out;
    for (const auto& id : expected.at(key).as_array())
      out.push_back(id.to_number<std::int32_t>());
    return out;
  }
  [[nodiscard]] std::unique_ptr<llorch::plugin::Context> context() const {
    llorch::plugin::ContextParams params;
    params.max_tokens = 256;
    return take(model->create_context(params));
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(real_model)

BOOST_FIXTURE_TEST_CASE(stories260k_goes_on_with_the_ids_of_llama_cpp, Stories) {
  if (!model) return;
  const auto wanted = ids("ids");
  const auto found = take(llorch::checkpoint::decode_greedily(*context(), ids("prompt_ids"), wanted.size()));
  BOOST_TEST(found == wanted, boost::test_tools::per_element());
}

// The ten best of the first step. `expected.json` comes from llama.cpp, which keeps keys, values and parts of its sums
// in half precision; LlamaForCausalLM in float64 on the same weights (torch 2.15.0, transformers 5.23.0) says what is
// right.
BOOST_FIXTURE_TEST_CASE(stories260k_has_the_log_probabilities_of_transformers_and_nearly_those_of_llama_cpp, Stories) {
  if (!model) return;
  constexpr double kTransformers[] = {
      -0.031702852019521166, -3.5498419336273135, -8.121449380814004, -8.243810571718559, -8.696858521744266,
      -8.896187559742998,    -9.195575730498122,  -9.205935643856785, -9.244481223743284, -9.27857926017674};
  const auto row = take(llorch::checkpoint::feed(*context(), ids("prompt_ids"), 0, llorch::checkpoint::Wanted::kLast));
  const auto found = llorch::sampling::compute_logprobs(row.back(), 0, 10).top;
  const auto& wanted = expected.at("first_step_top10_logprobs").at("top").as_array();
  BOOST_REQUIRE_EQUAL(found.size(), wanted.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    BOOST_TEST(found[i].token == wanted[i].at(0).to_number<std::int32_t>());
    BOOST_TEST(std::abs(found[i].logprob - kTransformers[i]) < 2e-5,
               "place " << i << ": found " << found[i].logprob << ", expected " << kTransformers[i]);
    BOOST_TEST(std::abs(found[i].logprob - wanted[i].at(1).as_double()) < 6e-3,
               "place " << i << ": found " << found[i].logprob << ", llama.cpp says " << wanted[i].at(1));
  }
}

BOOST_AUTO_TEST_SUITE_END()
