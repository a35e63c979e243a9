// Rung 11: probabilities.
#include "support/checkpoints/softmax.hpp"

#include "stories260k.hpp"

BOOST_AUTO_TEST_SUITE(checkpoint_11_real_model, *utf::depends_on("checkpoint_10_argmax"))

// The ten best of the first step. `expected.json` comes from llama.cpp, which keeps keys, values and parts of its sums
// in half precision; LlamaForCausalLM in float64 on the same weights (torch 2.15.0, transformers 5.23.0) says what is
// right.
BOOST_FIXTURE_TEST_CASE(stories260k_has_the_log_probabilities_of_transformers_and_nearly_those_of_llama_cpp,
                        llorch::testing::Stories260K) {
  if (!model) return;
  constexpr double kTransformers[] = {
      -0.031702852019521166, -3.5498419336273135, -8.121449380814004, -8.243810571718559, -8.696858521744266,
      -8.896187559742998,    -9.195575730498122,  -9.205935643856785, -9.244481223743284, -9.27857926017674};
  const auto row =
      take(llorch::checkpoint::feed(*context(), take_ids("prompt_ids"), 0, llorch::checkpoint::Wanted::kLast));
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
