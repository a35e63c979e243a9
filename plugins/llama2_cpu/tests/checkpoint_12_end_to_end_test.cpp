// Rung 12: prompt to text. The trained model, the random ones by their ids, and the real stories260K where it is
// present.
#include "support/checkpoints/end_to_end.hpp"

#include <boost/json/parse.hpp>

#include "stories260k.hpp"

BOOST_AUTO_TEST_SUITE(checkpoint_12_more_models,
                      *utf::depends_on("checkpoint_11_softmax") * utf::description("text equals the reference"))

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

BOOST_FIXTURE_TEST_CASE(stories260k_writes_the_text_of_llama_cpp_twice, llorch::testing::Stories260K) {
  if (!model) return;
  const auto tokenizer = take(llorch::tokenizer::load_tokenizer(*file));
  const auto prompt = take_ids("prompt_ids");
  BOOST_TEST(tokenizer->encode(text("prompt"), {.add_special = true}) == prompt, boost::test_tools::per_element());
  const auto wanted = take_ids("ids");
  for (int run = 0; run < 2; ++run) {
    const auto found = take(llorch::checkpoint::decode_greedily(*context(), prompt, wanted.size()));
    BOOST_TEST(found == wanted, boost::test_tools::per_element());
    BOOST_TEST(tokenizer->decode(found) == text("text"));
  }
}

BOOST_FIXTURE_TEST_CASE(stories260k_goes_on_as_its_makers_published, llorch::testing::Stories260K) {
  if (!model) return;
  const auto tokenizer = take(llorch::tokenizer::load_tokenizer(*file));
  const std::string published = text("greedy_text_long");
  const auto ids = take(llorch::checkpoint::decode_greedily(*context(), take_ids("prompt_ids"), 256));
  const std::string found = text("prompt") + tokenizer->decode(ids);
  BOOST_TEST(found.substr(0, published.size()) == published);
}

BOOST_AUTO_TEST_SUITE_END()
