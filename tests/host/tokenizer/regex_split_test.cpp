// Pre-tokenizers by pattern: the regex engine, its limits, and the scanners that stand in for known patterns.
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tokenizer/pattern_dialect.hpp"
#include "tokenizer/pre_tokenizer.hpp"

namespace llorch::tokenizer {
namespace {

std::string show(const PreTokenizer& pre_tokenizer, std::string_view text) {
  std::vector<TextRange> pieces;
  pre_tokenizer.split(text, pieces);
  std::string out;
  std::size_t done = 0;
  for (const TextRange& piece : pieces) {
    BOOST_REQUIRE_GE(piece.begin, done);
    BOOST_REQUIRE_GT(piece.end, piece.begin);
    BOOST_REQUIRE_LE(piece.end, text.size());
    done = piece.end;
    out.append("[").append(text.substr(piece.begin, piece.end - piece.begin)).append("]");
  }
  return out;
}

std::unique_ptr<PreTokenizer> by_regex(const SplitRule& rule) {
  auto made = make_regex_pre_tokenizer(rule);
  BOOST_REQUIRE_MESSAGE(made, (made ? "" : made.error().message));
  return std::move(*made);
}

std::string failure(std::string_view pattern) {
  const auto made = make_regex_pre_tokenizer({.pattern = pattern});
  if (made) return "none";
  BOOST_TEST((made.error().code == ErrorCode::kUnsupported));
  return made.error().message;
}

BOOST_AUTO_TEST_SUITE(llama3_pre_tokenizer)

BOOST_AUTO_TEST_CASE(text_is_cut_where_the_pattern_cuts_it) {
  const auto scanner = make_llama3_pre_tokenizer(3);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"Hello world", "[Hello][ world]"},
      {"I'M he'll DON'T 'Re", "[I]['M][ he]['ll][ DON]['T][ '][Re]"},
      {"it'\u017F", "[it]['\u017F]"},
      {"12345678", "[123][456][78]"},
      {"a-b (c", "[a][-b][ (][c]"},
      {"x  y", "[x][ ][ y]"},
      {"x\ty", "[x][\ty]"},
      {"x \n\n  y", "[x][ \n\n][ ][ y]"},
      {"x!\r\n\ny", "[x][!\r\n\n][y]"},
      {"x\n!y", "[x][\n][!y]"},
      {"a\n 1", "[a][\n][ ][1]"},
      {"a   ", "[a][   ]"},
      {"a \n ", "[a][ \n][ ]"},
      {"\u4f60\u597d\u3002 \u00b2", "[\u4f60\u597d][\u3002][ ][\u00b2]"},
      {"\xFF\xFEx", "[\xFF\xFE][x]"},
      {"\xFFx", "[\xFFx]"},
      {" \xFF", "[ \xFF]"},
      {"", ""},
  };
  for (const auto& [text, expected] : cases)
    BOOST_TEST(show(*scanner, text) == expected);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(scanners_and_patterns)

std::string random_text(std::mt19937& random) {
  static const std::vector<std::string> parts = {
      "a",      "Z",      "s",      "S",      "t",      "re",     "LL",     "1",          "9",      "'",       " ",
      " ",      "\n",     "\r",     "\t",     "!",      "-",      "\u00e9", "e\u0301",    "\u4f60", "\u0663",  "\u00b2",
      "\u00a0", "\u2003", "\u3000", "\u0085", "\u200b", "\u017f", "_",      "\U0001F999", "\xFF",   "\xE2\x82"};
  std::string text;
  for (std::size_t n = random() % 40; n > 0; --n)
    text += parts[random() % parts.size()];
  return text;
}

BOOST_AUTO_TEST_CASE(the_scanners_agree_with_the_regex_engine_on_random_texts) {
  std::mt19937 random(11);
  const auto check = [&](std::string_view pattern, const PreTokenizer& scanner) {
    const auto regex = by_regex({.pattern = pattern});
    for (int i = 0; i < 20000; ++i) {
      const std::string text = random_text(random);
      const std::string expected = show(*regex, text);
      const std::string found = show(scanner, text);
      BOOST_REQUIRE_MESSAGE(found == expected, pattern << "\nexpected " << expected << "\nfound    " << found);
    }
  };
  check(kGpt2Pattern, *make_gpt2_pre_tokenizer());
  check(kLlama3Pattern, *make_llama3_pre_tokenizer(3));
  check(kQwen2Pattern, *make_llama3_pre_tokenizer(1));
  check(R"(\p{N})", *make_digits_pre_tokenizer(true));
  check(R"(\p{N}+)", *make_digits_pre_tokenizer(false));
}

// Every assigned character, so that the two Unicode tables agree (but for what is newer than PCRE2's).
BOOST_AUTO_TEST_CASE(the_scanners_agree_with_the_regex_engine_on_single_characters) {
  const auto regex = by_regex({.pattern = kLlama3Pattern});
  const auto scanner = make_llama3_pre_tokenizer(3);
  for (char32_t c = 0; c < 0x1000; ++c) {
    std::string character;
    if (c < 0x80) {
      character = static_cast<char>(c);
    } else if (c < 0x800) {
      character = {static_cast<char>(0xC0 | (c >> 6)), static_cast<char>(0x80 | (c & 0x3F))};
    } else {
      character = {static_cast<char>(0xE0 | (c >> 12)), static_cast<char>(0x80 | ((c >> 6) & 0x3F)),
                   static_cast<char>(0x80 | (c & 0x3F))};
    }
    const std::string text = std::string("a").append(character).append("b 1").append(character);
    BOOST_TEST(show(*scanner, text) == show(*regex, text), "U+" << std::hex << static_cast<unsigned>(c));
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(regex_split)

BOOST_AUTO_TEST_CASE(behaviors_join_matches_with_their_neighbours) {
  const std::string text = "a--b-c-";
  const auto pieces = [&](SplitBehavior behavior, bool invert) {
    return show(*by_regex({.pattern = "-", .behavior = behavior, .invert = invert}), text);
  };
  BOOST_TEST(pieces(SplitBehavior::kIsolated, false) == "[a][-][-][b][-][c][-]");
  BOOST_TEST(pieces(SplitBehavior::kRemoved, false) == "[a][b][c]");
  BOOST_TEST(pieces(SplitBehavior::kRemoved, true) == "[-][-][-][-]");
  BOOST_TEST(pieces(SplitBehavior::kMergedWithPrevious, false) == "[a-][-][b-][c-]");
  BOOST_TEST(pieces(SplitBehavior::kMergedWithNext, false) == "[a][-][-b][-c][-]");
  BOOST_TEST(pieces(SplitBehavior::kContiguous, false) == "[a][--][b][-][c][-]");
}

BOOST_AUTO_TEST_CASE(a_literal_pattern_is_not_a_regular_expression) {
  BOOST_TEST(show(*by_regex({.pattern = "a.(", .is_literal = true}), "aa.(b.a.c") == "[a][a.(][b.a.c]");
  BOOST_TEST(
      show(*by_regex({.pattern = "\xE2\x96\x81", .is_literal = true, .behavior = SplitBehavior::kMergedWithNext}),
           "a\xE2\x96\x81"
           "b") ==
      "[a][\xE2\x96\x81"
      "b]");
}

BOOST_AUTO_TEST_CASE(empty_matches_cut) {
  BOOST_TEST(show(*by_regex({.pattern = "(?=[A-Z])"}), "abCdEF") == "[ab][Cd][E][F]");
  BOOST_TEST(show(*by_regex({.pattern = "x*"}), "axxb\u00e9") == "[a][xx][b][\u00e9]");
  BOOST_TEST(show(*by_regex({.pattern = "x*"}), "") == "");
}

BOOST_AUTO_TEST_CASE(bytes_that_are_not_utf8_count_as_symbols) {
  BOOST_TEST(show(*by_regex({.pattern = R"(\p{L}+)"}),
                  "ab\xFF\xC3"
                  "cd\xE2\x82") == "[ab][\xFF\xC3][cd][\xE2\x82]");
}

BOOST_AUTO_TEST_CASE(a_sequence_cuts_pieces_into_pieces) {
  std::vector<std::unique_ptr<PreTokenizer>> parts;
  parts.push_back(make_digits_pre_tokenizer(true));
  parts.push_back(make_gpt2_pre_tokenizer());
  const auto sequence = make_pre_tokenizer_sequence(std::move(parts));
  BOOST_TEST(show(*sequence, "ab 12 c") == "[ab][ ][1][2][ c]");
}

BOOST_AUTO_TEST_CASE(dialects_are_respelled) {
  BOOST_TEST(to_pcre2_dialect(R"(\s+[\s\S]\w[\w]\u4e00\p{Han}\p{^L}\pN\.)").value() ==
             R"(\p{wspace}+[\p{wspace}\P{wspace}][\p{Alphabetic}\p{M}\p{Nd}\p{Pc}])"
             R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]\x{4e00}\p{sc:Han}\p{^L}\pN\.)");
  // ^ and $ are about lines, in the dialect of those files
  BOOST_TEST(show(*by_regex({.pattern = "a$"}), "ba\nca") == "[b][a][\nc][a]");
}

BOOST_AUTO_TEST_CASE(what_the_dialects_mean_differently_is_refused) {
  for (const auto& [pattern, said] : std::vector<std::pair<std::string, std::string>>{
           {"[a&&b]", "\"&&\" inside of a class"},
           {"[a[b]]", "a class inside of a class"},
           {R"(\h+)", R"("\h")"},
           {R"(a\Kb)", R"("\K")"},
           {R"(\1)", R"("\1")"},
           {R"([\W])", R"("\W" inside of a class)"},
           {R"(\u12)", R"("\u" without four hexadecimal digits)"},
           {R"(\p{L)", R"(a property without "}")"},
           {"a{1,2}+", "\"{...}+\""},
           {"(*COMMIT)a", "\"(*\""},
           {"(?R)", "the group \"(?R\""},
           {"a\\", "a \"\\\" at its end"},
       }) {
    const std::string message = failure(pattern);
    BOOST_TEST(message.find(said) != std::string::npos, pattern << ": " << message);
  }
}

BOOST_AUTO_TEST_CASE(patterns_that_cannot_be_compiled_are_refused) {
  for (const std::string& pattern :
       {std::string("(a"), std::string("a)"), std::string("[a"), std::string("a**b("), std::string("*"),
        std::string(R"(\p{Nothing})"), std::string("(?<=a+)b"), std::string("\xFF"), std::string(R"((.*)*\1?x)"),
        std::string(200, '('), std::string(70000, 'a')}) {
    const std::string message = failure(pattern);
    BOOST_TEST(message.find("expected") != std::string::npos, message);
  }
}

BOOST_AUTO_TEST_CASE(patterns_that_backtrack_without_end_are_refused_in_time) {
  for (const char* pattern : {"(a+)+$", "(a|aa)+$", "(?:a?){30}a{30}b", "(\\s+)+!", "([a-zA-Z]+)*1!"}) {
    const auto start = std::chrono::steady_clock::now();
    const std::string message = failure(pattern);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    BOOST_TEST(message.find("expected at most 16777216 steps on a plain text of") != std::string::npos,
               pattern << ": " << message);
    BOOST_TEST(seconds.count() < 10.0);  // of hanging: the steps are what bounds it
  }
}

BOOST_AUTO_TEST_CASE(a_text_that_uses_the_steps_up_is_cut_into_characters) {
  const auto regex = by_regex({.pattern = R"(\d{1,3}(?=(?:\d{3})*\b))"});  // looks ahead to the end of the number
  BOOST_TEST(show(*regex, "1234567") == "[1][234][567]");
  const std::string number(1u << 20, '7');
  const auto start = std::chrono::steady_clock::now();
  std::vector<TextRange> pieces;
  regex->split(number, pieces);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  BOOST_TEST(pieces.back().end == number.size());
  BOOST_TEST(pieces.back().end - pieces.back().begin == 1U, "expected no three digits behind the last step");
  BOOST_TEST(seconds.count() < 20.0);
}

BOOST_AUTO_TEST_CASE(a_megabyte_of_one_character_takes_seconds_at_most) {
  for (const std::string_view pattern : {kLlama3Pattern, kGpt2Pattern}) {
    const auto regex = by_regex({.pattern = pattern});
    for (const std::string_view unit : {" ", "a", "1", "!", "\n", " \n", "\xFF", "\u4f60"}) {
      std::string text;
      while (text.size() < (1u << 20))
        text += unit;
      const auto start = std::chrono::steady_clock::now();
      std::vector<TextRange> pieces;
      regex->split(text, pieces);
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      BOOST_TEST(pieces.back().end == text.size());
      BOOST_TEST(seconds.count() < 20.0);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace llorch::tokenizer
