// Rung 8 on quantized files: what rounding the activations adds to the logits of 96 rows, type by type, against
// transformers on the dequantized weights; and llama.cpp's figures for the same files against the same reference.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstdio>

#include "checkpoint/difference.hpp"
#include "tested_models.hpp"

namespace utf = boost::unit_test;
using namespace llorch::testing::checkpoints;  // NOLINT(google-build-using-namespace)
using llorch::checkpoint::Agreement;
using llorch::checkpoint::Baseline;
using llorch::checkpoint::kBaselineMargin;

namespace {

/// The most that each type may show: what was measured, rounded up. Weights are exact in all of them (dequantization is
/// bit-equal to the definition), so all that is seen here is activations in blocks of 32 codes of 8 bits. A product in
/// f32 would show 1e-5.
struct Bound {
  const char* type;
  double max_error, mean_error, kl;
  std::size_t other_best;  // rows with another most likely token
  double margin;           // mean error and KL are at most this many times llama.cpp's
};
constexpr Bound kBounds[] = {
    // Blocks of 32 here and in llama.cpp.
    {"q8_0", 0.17, 0.021, 1.5e-4, 2, kBaselineMargin},
    {"q4_0", 0.16, 0.027, 2.0e-4, 2, kBaselineMargin},
    {"q4_1", 0.16, 0.024, 2.0e-4, 0, kBaselineMargin},
    {"q5_0", 0.15, 0.023, 1.4e-4, 2, kBaselineMargin},
    {"q5_1", 0.20, 0.023, 2.0e-4, 1, kBaselineMargin},
    {"iq4_nl", 0.12, 0.025, 1.2e-4, 1, kBaselineMargin},
    // Blocks of 32 here and of 256 there.
    {"q2_k", 0.15, 0.019, 2.0e-4, 2, 1.0},
    {"q3_k", 0.14, 0.022, 1.2e-4, 0, 1.0},
    {"q4_k", 0.13, 0.023, 1.5e-4, 1, 1.0},
    {"q5_k", 0.17, 0.027, 2.4e-4, 1, 1.0},
    {"q6_k", 0.34, 0.025, 3.9e-4, 1, 1.0},
    {"iq4_xs", 0.12, 0.023, 1.4e-4, 0, 1.0},
    {"q4_k_m", 0.37, 0.024, 2.3e-4, 0, 1.0},
};

struct Figures {
  Agreement ours;
  Baseline theirs;
};

Figures measure(const TestedModel& tested) {
  ModelUnderTest& model = loaded(tested);
  const auto& c = model.reference_case("text");
  BOOST_REQUIRE(c.baseline.has_value());
  const auto expected = take(llorch::checkpoint::read_npy(*c.logits));
  std::vector<float> found;
  for (const auto& row : all_rows(model, c.prompt_ids))
    found.insert(found.end(), row.begin(), row.end());
  BOOST_REQUIRE_EQUAL(found.size(), expected.values.size());
  return {llorch::checkpoint::agreement(found, expected.values, model.info().vocab_size), *c.baseline};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(
    checkpoint_08_quantized,
    *utf::depends_on("checkpoint_08_logits") *
        utf::description(
            "activations are rounded no worse than stated, nor than in llama.cpp beyond the noise of 96 rows"))

BOOST_AUTO_TEST_CASE(every_quantized_model_has_a_bound) {
  BOOST_TEST(quantized_models.size() == std::size(kBounds));
}

BOOST_DATA_TEST_CASE(logits_and_probabilities_stay_within_the_bounds_and_below_or_beside_those_of_llama_cpp,
                     utf::data::make(quantized_models)) {
  const auto& [figures, theirs] = measure(sample);
  fmt::print("{:<6}  max {:.3f} ({:.3f})  mean {:.5f} ({:.5f})  KL {:.2e} ({:.2e})  same best {} ({:.0f}) of {}\n",
             sample.name, figures.max_error, theirs.max_error, figures.mean_error, theirs.mean_error, figures.kl,
             theirs.kl, figures.same_best, theirs.same_best * static_cast<double>(figures.rows), figures.rows);
  std::fflush(stdout);

  const auto* bound =
      std::find_if(std::begin(kBounds), std::end(kBounds), [&](const Bound& b) { return sample.name == b.type; });
  BOOST_REQUIRE(bound != std::end(kBounds));
  BOOST_TEST(figures.max_error <= bound->max_error);
  BOOST_TEST(figures.mean_error <= bound->mean_error);
  BOOST_TEST(figures.kl <= bound->kl);
  BOOST_TEST(figures.rows - figures.same_best <= bound->other_best);
  BOOST_TEST(figures.mean_error <= theirs.mean_error * bound->margin, theirs.program << " " << theirs.mean_error);
  BOOST_TEST(figures.kl <= theirs.kl * bound->margin, theirs.program << " " << theirs.kl);
}

// Where both programs round alike the figures of one file are mostly noise; over all of them less is left to chance.
BOOST_AUTO_TEST_CASE(over_the_types_that_llama_cpp_rounds_alike_the_figures_are_no_worse_than_its_own) {
  double mean = 0.0;
  double kl = 0.0;
  double their_mean = 0.0;
  double their_kl = 0.0;
  for (const TestedModel& tested : quantized_models) {
    const auto* bound =
        std::find_if(std::begin(kBounds), std::end(kBounds), [&](const Bound& b) { return tested.name == b.type; });
    BOOST_REQUIRE(bound != std::end(kBounds));
    if (bound->margin == 1.0) continue;
    const auto& [ours, theirs] = measure(tested);
    mean += ours.mean_error;
    kl += ours.kl;
    their_mean += theirs.mean_error;
    their_kl += theirs.kl;
  }
  BOOST_TEST(mean <= their_mean * 1.02);
  BOOST_TEST(kl <= their_kl * 1.02);
}

BOOST_AUTO_TEST_SUITE_END()
