#include "engine/stop_matcher.hpp"

#include <boost/test/unit_test.hpp>
#include <random>

using namespace llorch::engine;

namespace {

struct Outcome {
  std::string text;
  std::optional<std::size_t> stop;
};

/// Looks at every end position from left to right and tries all stops there: the definition, in quadratic time.
Outcome by_definition(const std::string& text, const std::vector<std::string>& stops) {
  for (std::size_t end = 1; end <= text.size(); ++end) {
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < stops.size(); ++i) {
      const bool matches =
          end >= stops[i].size() && text.compare(end - stops[i].size(), stops[i].size(), stops[i]) == 0;
      if (matches && (!best || stops[i].size() > stops[*best].size())) best = i;
    }
    if (best) return {text.substr(0, end - stops[*best].size()), best};
  }
  return {text, std::nullopt};
}

Outcome by_matcher(const std::vector<std::string>& pieces, const std::vector<std::string>& stops) {
  StopMatcher matcher(stops);
  Outcome outcome;
  for (const std::string& piece : pieces) {
    outcome.stop = matcher.push(piece, outcome.text);
    if (outcome.stop) return outcome;
  }
  outcome.text += matcher.flush();
  return outcome;
}

std::vector<std::string> bytes_of(const std::string& text) {
  std::vector<std::string> pieces;
  for (const char c : text) {
    pieces.emplace_back(1, c);
  }
  return pieces;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(engine_stop_matcher)

BOOST_AUTO_TEST_CASE(finds_what_the_definition_says_whatever_the_cut) {
  std::mt19937_64 random(1);
  const auto word = [&](std::size_t max) {
    std::string w(1 + random() % max, 'a');
    for (char& c : w) {
      c = static_cast<char>('a' + random() % 2);
    }
    return w;
  };
  int matches = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::string> stops(1 + random() % 4);
    for (std::string& s : stops) {
      s = word(6);
    }
    const std::string text = word(40) + (random() % 4 == 0 ? "" : "c") + word(10);
    std::vector<std::string> pieces;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t n = random() % 5;  // empty pieces too
      pieces.push_back(text.substr(at, n));
      at += n;
    }
    const Outcome expected = by_definition(text, stops);
    const Outcome found = by_matcher(pieces, stops);
    matches += expected.stop ? 1 : 0;
    BOOST_REQUIRE_EQUAL(found.text, expected.text);
    BOOST_REQUIRE(found.stop == expected.stop);
  }
  BOOST_TEST(matches > 1000);
}

BOOST_AUTO_TEST_CASE(ties_and_overlaps_follow_the_documented_rule) {
  const struct {
    std::string text;
    std::vector<std::string> stops;
    std::string expected;
    std::optional<std::size_t> stop;
  } cases[] = {
      {"xxabcdyy", {"abcd", "bc"}, "xxa", 1},    // "bc" ends first
      {"xxabcyy", {"c", "abc", "bc"}, "xx", 1},  // same end: the longest
      {"xxabcyy", {"abc", "abc"}, "xx", 0},      // the same twice: the first listed
      {"aaaab", {"aab"}, "aa", 0},               // needs the border, not a restart
      {"ababac", {"abac"}, "ab", 0},
      {"abc", {"abcd"}, "abc", std::nullopt},  // only a beginning
      {"", {"a"}, "", std::nullopt},
      {"abc", {}, "abc", std::nullopt},
      {"abc", {"abc"}, "", 0},
  };
  for (const auto& c : cases) {
    const Outcome found = by_matcher(bytes_of(c.text), c.stops);
    BOOST_TEST(found.text == c.expected, c.text);
    BOOST_TEST((found.stop == c.stop), c.text);
  }
}

BOOST_AUTO_TEST_CASE(holds_back_no_more_than_what_may_begin_a_stop) {
  StopMatcher matcher({"\n\nQ:", "END"});
  std::string out;
  BOOST_TEST(!matcher.push("Hello\n", out));
  BOOST_TEST(out == "Hello");
  BOOST_TEST(!matcher.push("\n", out));
  BOOST_TEST(out == "Hello");
  BOOST_TEST(!matcher.push("E", out));
  BOOST_TEST(out == "Hello\n\n");
  BOOST_TEST(!matcher.push("x", out));
  BOOST_TEST(out == "Hello\n\nEx");
  BOOST_TEST(matcher.flush() == "");
}

BOOST_AUTO_TEST_CASE(a_text_made_of_near_misses_takes_linear_time) {
  // Quadratic work would be 10^14 steps here.
  const std::string stop = std::string(99, 'a') + "b";
  StopMatcher matcher({stop, std::string(100, 'b')});
  std::string out;
  const std::string piece(1000, 'a');
  for (int i = 0; i < 10'000; ++i) {
    BOOST_REQUIRE(!matcher.push(piece, out));
  }
  BOOST_TEST(out.size() + 99 == 10'000'000U);
}

BOOST_AUTO_TEST_SUITE_END()
