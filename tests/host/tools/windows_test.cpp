// How a text is cut and which rows of which batches are asked for logits.
#include "tools/windows.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>

#include "support/fake_model.hpp"
#include "support/fake_tokenizer.hpp"
#include "tools/perplexity_figures.hpp"

using namespace llorch;
using namespace llorch::tools;
using test::FakeModel;
using test::FakeRow;
using test::FakeTokenizer;

namespace {

// Bytes, with <special> before a text and <eos> after it where asked for.
class SurroundingTokenizer final : public tokenizer::Tokenizer {
 public:
  [[nodiscard]] std::string_view kind() const override { return "surrounding"; }
  [[nodiscard]] std::uint32_t vocab_size() const override { return inner_.vocab_size(); }
  [[nodiscard]] std::vector<tokenizer::TokenId> encode(std::string_view text,
                                                       const tokenizer::EncodeOptions& options) const override {
    std::vector<tokenizer::TokenId> ids = inner_.encode(text, options);
    if (!options.add_special) return ids;
    ids.insert(ids.begin(), FakeTokenizer::kSpecial);
    ids.push_back(FakeTokenizer::kEos);
    return ids;
  }
  [[nodiscard]] std::string_view token_bytes(tokenizer::TokenId id) const override { return inner_.token_bytes(id); }
  [[nodiscard]] bool is_special(tokenizer::TokenId id) const override { return inner_.is_special(id); }
  [[nodiscard]] std::optional<tokenizer::TokenId> bos() const override { return FakeTokenizer::kSpecial; }
  [[nodiscard]] std::optional<tokenizer::TokenId> eos() const override { return FakeTokenizer::kEos; }
  [[nodiscard]] bool ends_generation(tokenizer::TokenId id) const override { return inner_.ends_generation(id); }
  [[nodiscard]] std::optional<tokenizer::TokenId> find(std::string_view token) const override {
    return inner_.find(token);
  }

 private:
  FakeTokenizer inner_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(tools_windows)

BOOST_AUTO_TEST_CASE(the_rest_of_a_text_is_dropped_and_without_bos_nothing_is_replaced) {
  const auto windows = cut_text(FakeTokenizer(), "abcdefghij", 4, 0, 300);
  BOOST_REQUIRE(windows.has_value());
  BOOST_TEST(windows->count == 2U);
  BOOST_TEST(windows->text_tokens == 10U);
  BOOST_TEST(!windows->bos);
  BOOST_TEST(windows->ids == (std::vector<std::int32_t>{'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(bos_begins_the_text_and_replaces_the_first_token_of_later_windows_and_eos_is_left_out) {
  constexpr std::int32_t kBos = FakeTokenizer::kSpecial;
  const auto windows = cut_text(SurroundingTokenizer(), "abcdefg", 4, 0, 300);
  BOOST_REQUIRE(windows.has_value());
  BOOST_TEST(windows->bos);
  BOOST_TEST(windows->text_tokens == 8U);
  BOOST_TEST(windows->ids == (std::vector<std::int32_t>{kBos, 'a', 'b', 'c', kBos, 'e', 'f', 'g'}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(only_the_first_windows_are_taken_when_fewer_are_wanted) {
  const auto windows = cut_text(FakeTokenizer(), "abcdefghijkl", 4, 2, 300);
  BOOST_REQUIRE(windows.has_value());
  BOOST_TEST(windows->count == 2U);
  BOOST_TEST(windows->ids.size() == 8U);
}

BOOST_AUTO_TEST_CASE(ids_that_the_model_does_not_have_are_refused) {
  const auto windows = cut_text(FakeTokenizer(), "abcdz", 4, 0, 101);
  BOOST_REQUIRE(windows.has_value());  // the z lies beyond the window
  const auto beyond = cut_text(FakeTokenizer(), "abcz", 4, 0, 101);
  BOOST_REQUIRE(!beyond.has_value());
  BOOST_TEST(beyond.error().message.find("vocabulary of 101, found 122") != std::string::npos, beyond.error().message);
}

BOOST_AUTO_TEST_CASE(each_window_starts_from_an_empty_cache_and_wants_the_second_half_but_the_last) {
  for (const std::uint32_t length : {8U, 9U}) {
    FakeModel model(300, 64);
    const std::string text = "abcdefghijklmnopqrs";
    const auto windows = cut_text(FakeTokenizer(), text, length, 0, 300);
    BOOST_REQUIRE(windows.has_value());
    std::vector<std::pair<std::vector<float>, std::int32_t>> scored;
    const auto done = score(model, *windows, {.threads = 3, .batch_tokens = 3},
                            [&](std::span<const float> log_probs, std::int32_t next) -> Result<void> {
                              scored.emplace_back(std::vector(log_probs.begin(), log_probs.end()), next);
                              return {};
                            });
    BOOST_REQUIRE(done.has_value());
    BOOST_TEST(model.breaches().empty());
    BOOST_TEST(model.context_params().n_threads == 3U);
    BOOST_TEST(model.context_params().max_batch_tokens == 3U);
    for (const auto& call : model.calls()) {
      for (const FakeRow& row : call) {
        BOOST_TEST(row.position < static_cast<std::int32_t>(length - 1));
        BOOST_TEST(row.output == (row.position >= static_cast<std::int32_t>(length / 2)));
      }
    }
    BOOST_REQUIRE_EQUAL(scored.size(), std::size_t{2} * windows->scored_each());
    std::size_t at = 0;
    for (std::uint32_t w = 0; w < 2; ++w) {
      for (std::uint32_t i = length / 2; i < length - 1; ++i, ++at) {
        const auto window = windows->window(w);
        std::vector<float> wanted;
        BOOST_REQUIRE(log_softmax(model.logits_after(window.first(i + 1)), wanted));
        BOOST_TEST((scored[at].first == wanted));
        BOOST_TEST(scored[at].second == text[w * length + i + 1]);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(logits_that_are_no_numbers_and_failing_plugins_end_the_run) {
  const auto take = [](std::span<const float>, std::int32_t) -> Result<void> { return {}; };
  const auto windows = cut_text(FakeTokenizer(), "abcdefgh", 8, 0, 300);
  BOOST_REQUIRE(windows.has_value());
  FakeModel nan(300, 64);
  nan.hook = [](std::span<const FakeRow>) { return test::FakeAction::kNan; };
  const auto bad = score(nan, *windows, {}, take);
  BOOST_REQUIRE(!bad);
  BOOST_TEST(bad.error().message.find("window 0, position 6: expected logits that are numbers") != std::string::npos,
             bad.error().message);
  FakeModel broken(300, 64);
  broken.hook = [](std::span<const FakeRow>) { return test::FakeAction::kDeviceError; };
  BOOST_TEST(!score(broken, *windows, {}, take).has_value());
}

BOOST_AUTO_TEST_CASE(log_softmax_takes_any_finite_range_and_minus_infinity) {
  std::vector<float> log_probs;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  BOOST_TEST_REQUIRE(log_softmax(std::vector<float>{3e38F, 3e38F, -3e38F, -kInfinity}, log_probs));
  BOOST_TEST(std::abs(log_probs[0] + std::log(2.0F)) < 1e-6F);
  BOOST_TEST(std::exp(log_probs[2]) == 0.0F);
  BOOST_TEST(log_probs[3] == -kInfinity);
  BOOST_TEST(!log_softmax(std::vector<float>{0, kInfinity}, log_probs));
  BOOST_TEST(!log_softmax(std::vector<float>{0, std::nanf("")}, log_probs));
  BOOST_TEST(!log_softmax(std::vector<float>{-kInfinity, -kInfinity}, log_probs));
}

BOOST_AUTO_TEST_CASE(figures_of_three_positions_are_those_worked_out_by_hand) {
  const auto logs = [](std::vector<float> values) {
    for (float& value : values)
      value = std::log(value);
    return values;
  };
  PerplexityFigures figures;
  figures.add(logs({0.5F, 0.5F}), logs({0.5F, 0.5F}), 0);
  figures.add(logs({0.5F, 0.5F}), logs({0.25F, 0.75F}), 1);
  figures.add(logs({0.5F, 0.5F}), logs({1.0F, 0.0F}), 0);
  BOOST_TEST(figures.scored() == 3U);
  BOOST_TEST(std::abs(figures.perplexity().value - 2) < 1e-6);
  BOOST_TEST(std::abs(figures.perplexity().error) < 1e-6);
  // -ln of 1/2, 3/4 and 1
  BOOST_TEST(std::abs(figures.base_perplexity().value - std::cbrt(8.0 / 3)) < 1e-6);
  // 0, 1/4 ln 1/2 + 3/4 ln 3/2 and ln 2
  const double second = 0.25 * std::log(0.5) + 0.75 * std::log(1.5);
  BOOST_TEST(std::abs(figures.kl().value - (second + std::log(2)) / 3) < 1e-6);
  BOOST_TEST(std::abs(figures.largest_kl() - std::log(2)) < 1e-6);
  BOOST_TEST(std::abs(figures.same_top().value - 2.0 / 3) < 1e-12);
  BOOST_TEST(std::abs(figures.same_top().error - 1.0 / 3) < 1e-12);  // sqrt(2/3 / (3 * 2))
}

BOOST_AUTO_TEST_SUITE_END()
