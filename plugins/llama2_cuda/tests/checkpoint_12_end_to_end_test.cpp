// Rung 12: prompt to text. The trained model, and the random ones by their ids.
#include "support/checkpoints/end_to_end.hpp"

BOOST_AUTO_TEST_SUITE(checkpoint_12_more_models,
                      *utf::depends_on("checkpoint_11_softmax") * utf::description("ids equal the reference"))

BOOST_DATA_TEST_CASE(greedy_decoding_gives_the_ids_of_the_reference_twice, all_models()) {
  const ModelUnderTest& model = loaded(sample);
  for (const auto& c : model.reference().cases) {
    if (c.greedy_ids.empty()) continue;
    const auto context = model.context();
    for (int run = 0; run < 2; ++run) {
      succeed(context->kv_seq_remove(0, -1, -1));
      const auto ids = take(llorch::checkpoint::decode_greedily(*context, c.prompt_ids, c.greedy_ids.size()));
      BOOST_TEST_CONTEXT("case " << c.name << ", run " << run) {
        BOOST_TEST(ids == c.greedy_ids, boost::test_tools::per_element());
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
