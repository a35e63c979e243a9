// GPT-2's pattern as a scanner.
#include "tokenizer/pre_tokenizer.hpp"

#include <boost/test/unit_test.hpp>
#include <random>
#include <string>
#include <vector>

#include "tokenizer/unicode_classes.hpp"
#include "tokenizer/utf8.hpp"

namespace llorch::tokenizer {
namespace {

using Pieces = std::vector<std::string>;

Pieces split(const Scanner& pre_tokenizer, std::string_view text) {
  Pieces pieces;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = pre_tokenizer.piece_end(text, at);
    BOOST_REQUIRE_GT(end, at);
    BOOST_REQUIRE_LE(end, text.size());
    pieces.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return pieces;
}

std::string show(const Pieces& pieces) {
  std::string text;
  for (const std::string& piece : pieces)
    text += "[" + piece + "]";
  return text;
}

BOOST_AUTO_TEST_SUITE(gpt2_pre_tokenizer)

BOOST_AUTO_TEST_CASE(text_is_cut_where_the_pattern_cuts_it) {
  const auto pre_tokenizer = make_gpt2_pre_tokenizer();
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", ""},
      {"Hello world", "[Hello][ world]"},
      {"a1!", "[a][1][!]"},
      {" a 1 !", "[ a][ 1][ !]"},
      // contractions, lower case only, and only where a piece starts
      {"I'm he's it'd we've you're they'll don't",
       "[I]['m][ he]['s][ it]['d][ we]['ve][ you]['re][ they]['ll][ don]['t]"},
      {"I'M 'R 'l 'v '", "[I]['][M][ '][R][ '][l][ '][v][ ']"},
      {"'sa", "['s][a]"},
      {"''s", "[''][s]"},
      {"!'s", "[!'][s]"},
      {" 's", "[ '][s]"},
      {"'l", "['][l]"},
      {"'re", "['re]"},
      {"'r", "['][r]"},
      // white space gives its last character to what follows
      {"a  b", "[a][ ][ b]"},
      {"a   b", "[a][  ][ b]"},
      {"a\nb", "[a][\n][b]"},
      {"a\n\nb", "[a][\n][\n][b]"},
      {"a \n b", "[a][ \n][ b]"},
      {"a\t\tb", "[a][\t][\t][b]"},
      {"a  ", "[a][  ]"},
      {"  ", "[  ]"},
      {" ", "[ ]"},
      {"\r\n", "[\r\n]"},
      // classes beyond ASCII
      {"caf\u00e9 \u4f60\u597d", "[caf\u00e9][ \u4f60\u597d]"},
      {"x\u00b2\u0663\u2167", "[x][\u00b2\u0663\u2167]"},
      {"e\u0301a", "[e][\u0301][a]"},
      {"a\u00a0b", "[a][\u00a0][b]"},
      {"a \u00a0b", "[a][ ][\u00a0][b]"},
      {"a\u00a0 b", "[a][\u00a0][ b]"},
      {"a\u2003\u2003b", "[a][\u2003][\u2003][b]"},
      {"a\u0085b", "[a][\u0085][b]"},
      {"a\u200bb", "[a][\u200b][b]"},
      {"\U0001F999\U0001F999!", "[\U0001F999\U0001F999!]"},
      {"\U00013460\u1c89", "[\U00013460\u1c89]"},  // letters since Unicode 16
      // a byte that is not UTF-8 counts as a symbol
      {"a\xFF"
       "b",
       "[a][\xFF][b]"},
      {" \xFF\x80!", "[ \xFF\x80!]"},
      {"\xE2\x82", "[\xE2\x82]"},
  };
  for (const auto& [text, expected] : cases)
    BOOST_TEST(show(split(*pre_tokenizer, text)) == expected);
}

// The pattern once more, alternative by alternative, as a matcher that may be slow.
class SlowPattern {
 public:
  explicit SlowPattern(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
      const Utf8Step step = decode_utf8(text, at);
      const bool valid = step.status == Utf8Status::kValid;
      const std::size_t length = valid ? step.length : 1;
      chars_.emplace_back(text.substr(at, length));
      classes_.push_back(valid ? char_class(step.code_point) : CharClass::kOther);
      at += length;
    }
  }

  Pieces split() const {
    Pieces pieces;
    for (std::size_t at = 0; at < chars_.size();) {
      const std::size_t end = match(at);
      std::string piece;
      for (; at < end; ++at)
        piece += chars_[at];
      pieces.push_back(piece);
    }
    return pieces;
  }

 private:
  [[nodiscard]] bool literal(std::size_t at, const std::string& text) const {
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (at + i >= chars_.size() || chars_[at + i] != text.substr(i, 1)) return false;
    }
    return true;
  }
  [[nodiscard]] std::size_t run(std::size_t at, CharClass wanted) const {
    while (at < chars_.size() && classes_[at] == wanted)
      ++at;
    return at;
  }
  [[nodiscard]] std::size_t match(std::size_t at) const {
    for (const char* contraction : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}) {
      if (literal(at, contraction)) return at + std::string_view(contraction).size();
    }
    for (const CharClass wanted : {CharClass::kLetter, CharClass::kNumber, CharClass::kOther}) {
      const std::size_t start = literal(at, " ") ? at + 1 : at;
      if (const std::size_t end = run(start, wanted); end > start) return end;
    }
    const std::size_t end = run(at, CharClass::kSpace);
    // \s+(?!\S): the longest run of at least one that is not followed by a character other than white space
    for (std::size_t shorter = end; shorter > at; --shorter) {
      if (shorter == chars_.size() || classes_[shorter] == CharClass::kSpace) return shorter;
    }
    return end;
  }

  std::vector<std::string> chars_;
  std::vector<CharClass> classes_;
};

BOOST_AUTO_TEST_CASE(the_scanner_agrees_with_the_pattern_spelled_out) {
  const auto pre_tokenizer = make_gpt2_pre_tokenizer();
  const std::vector<std::string> parts = {"a",      "Z",      "s", "t",  "re",     "ll",     "1",    "9",         "'",
                                          "'",      " ",      " ", "\n", "\t",     "\u00a0", "!",    "\xFF",      ".",
                                          "\u00e9", "\u2003", "m", "ve", "\u4e00", "\u0663", "\xC3", "\U0001F999"};
  std::mt19937 random(11);
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (auto i = random() % 10; i > 0; --i)
      text += parts[random() % parts.size()];
    BOOST_REQUIRE_EQUAL(show(split(*pre_tokenizer, text)), show(SlowPattern(text).split()));
  }
}

BOOST_AUTO_TEST_CASE(without_a_pattern_the_text_is_one_piece) {
  BOOST_TEST(show(split(*make_whole_text_pre_tokenizer(), "a b\n 1")) == "[a b\n 1]");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace llorch::tokenizer
