// Whether the rules of a vocabulary put BOS before a text.
#include "tokenizer/bos_rule.hpp"

#include <boost/test/unit_test.hpp>
#include <functional>
#include <optional>

#include "support/byte_vocabulary.hpp"

namespace llorch::tokenizer {
namespace {

constexpr TokenId kBos = 256;
constexpr TokenId kEos = 257;

std::optional<TokenId> rule(const std::function<void(BpeSpec&)>& change) {
  llorch::testing::ByteVocabulary vocabulary;
  vocabulary.add({.content = "<s>", .special = true}).add({.content = "</s>", .special = true});
  BpeSpec spec = vocabulary.spec();
  spec.bos = kBos;
  change(spec);
  const auto tokenizer = make_bpe_tokenizer(spec);
  BOOST_REQUIRE_MESSAGE(tokenizer, (tokenizer ? "" : tokenizer.error().message));
  return bos_by_rule(**tokenizer);
}

BOOST_AUTO_TEST_SUITE(bos_rule)

BOOST_AUTO_TEST_CASE(bos_is_there_where_the_rules_put_it_before_a_text) {
  BOOST_TEST((rule([](BpeSpec& spec) { spec.prefix = {kBos}; }) == kBos));
  BOOST_TEST((rule([](BpeSpec& spec) {
                spec.prefix = {kBos};
                spec.suffix = {kEos};
              }) == kBos));
  BOOST_TEST((rule([](BpeSpec&) {}) == std::nullopt));
}

BOOST_AUTO_TEST_CASE(what_goes_after_a_text_is_no_bos_even_if_it_is_the_same_token) {
  BOOST_TEST((rule([](BpeSpec& spec) { spec.suffix = {kBos}; }) == std::nullopt));
}

BOOST_AUTO_TEST_CASE(another_token_before_a_text_is_bos_only_if_no_file_names_one) {
  BOOST_TEST((rule([](BpeSpec& spec) { spec.prefix = {kEos}; }) == std::nullopt));
  BOOST_TEST((rule([](BpeSpec& spec) {
                spec.bos.reset();
                spec.prefix = {kEos};
              }) == kEos));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace llorch::tokenizer
