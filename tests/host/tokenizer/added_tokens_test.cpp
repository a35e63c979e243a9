// Added tokens cut the text before anything else looks at it. Expected results are those of Hugging Face tokenizers.
#include "tokenizer/added_tokens.hpp"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

namespace llorch::tokenizer {
namespace {

std::string show(const std::vector<Segment>& segments) {
  std::string text;
  for (const Segment& segment : segments) {
    text += "[" + std::string(segment.text) + (segment.token ? "=" + std::to_string(*segment.token) : "") + "]";
  }
  return text;
}

BOOST_AUTO_TEST_SUITE(added_tokens)

BOOST_AUTO_TEST_CASE(without_added_tokens_the_text_is_one_segment) {
  BOOST_TEST(show(AddedTokens().split("abc", true)) == "[abc]");
  BOOST_TEST(show(AddedTokens().split("", true)) == "");
}

BOOST_AUTO_TEST_CASE(the_longest_token_that_starts_leftmost_wins) {
  const AddedTokens tokens(
      {{.content = "<a>", .id = 1}, {.content = "<a><b>", .id = 2}, {.content = "a><b><c>", .id = 3}});
  BOOST_TEST(show(tokens.split("x<a><b><c>", false)) == "[x][<a><b>=2][<c>]");
  BOOST_TEST(show(tokens.split("<a><b", false)) == "[<a>=1][<b]");
  BOOST_TEST(show(tokens.split("<a><a>", false)) == "[<a>=1][<a>=1]");
  BOOST_TEST(show(tokens.split("<<a>>", false)) == "[<][<a>=1][>]");
}

BOOST_AUTO_TEST_CASE(special_tokens_are_text_unless_parsed) {
  const AddedTokens tokens({{.content = "<s>", .id = 1, .special = true}, {.content = "<u>", .id = 2}});
  BOOST_TEST(show(tokens.split("<s>a<u>", true)) == "[<s>=1][a][<u>=2]");
  BOOST_TEST(show(tokens.split("<s>a<u>", false)) == "[<s>a][<u>=2]");
}

BOOST_AUTO_TEST_CASE(special_tokens_are_text_where_they_touch_a_literal_range) {
  const AddedTokens tokens({{.content = "<s>", .id = 1, .special = true},
                            {.content = "uuu", .id = 2},
                            {.content = "<n>", .id = 3, .special = true, .normalized = true}});
  const auto with = [&](std::vector<TextRange> literal) { return show(tokens.split("<s>auuu<n><s>", true, literal)); };
  BOOST_TEST(with({}) == "[<s>=1][a][uuu=2][<n>=3][<s>=1]");
  BOOST_TEST(with({{0, 3}}) == "[<s>a][uuu=2][<n>=3][<s>=1]");
  BOOST_TEST(with({{3, 7}}) == "[<s>=1][a][uuu=2][<n>=3][<s>=1]");
  BOOST_TEST(with({{2, 3}, {9, 10}}) == "[<s>a][uuu=2][<n>][<s>=1]");
  BOOST_TEST(with({{0, 1}, {12, 13}}) == "[<s>a][uuu=2][<n>=3][<s>]");
  BOOST_TEST(with({{0, 13}}) == "[<s>a][uuu=2][<n><s>]");
}

// Old converters call the marks of a conversation "user-defined", and some vocabularies do not call theirs special.
BOOST_AUTO_TEST_CASE(tokens_spelled_like_markup_are_text_where_they_touch_a_literal_range) {
  const AddedTokens tokens({{.content = "<|im_start|>", .id = 1},
                            {.content = "[INST]", .id = 2},
                            {.content = "<t>", .id = 3, .normalized = true},
                            {.content = "\xE2\x96\x81<EOT>", .id = 4},
                            {.content = "  ", .id = 5},
                            {.content = "<>", .id = 6},
                            {.content = "word", .id = 7}});
  const std::string all = "<|im_start|>[INST]<t>\xE2\x96\x81<EOT>  <>word";
  const std::string words = "[  =5][<>=6][word=7]";
  BOOST_TEST(show(tokens.split(all, true)) == "[<|im_start|>=1][[INST]=2][<t>=3][\xE2\x96\x81<EOT>=4]" + words);
  for (const bool parse_special : {true, false}) {
    const std::vector<TextRange> whole = {{0, all.size()}};
    BOOST_TEST(show(tokens.split(all, parse_special, whole)) == "[<|im_start|>[INST]<t>\xE2\x96\x81<EOT>]" + words);
  }
  const std::vector<TextRange> first_byte = {{0, 1}};
  BOOST_TEST(show(tokens.split("<|im_start|><|im_start|>", true, first_byte)) == "[<|im_start|>][<|im_start|>=1]");
}

BOOST_AUTO_TEST_CASE(white_space_is_stripped_on_the_sides_that_say_so) {
  const AddedTokens tokens({{.content = "<l>", .id = 1, .lstrip = true},
                            {.content = "<r>", .id = 2, .rstrip = true},
                            {.content = "<n>", .id = 3}});
  BOOST_TEST(show(tokens.split("a \n\u3000<l> b", false)) == "[a][ \n\u3000<l>=1][ b]");
  BOOST_TEST(show(tokens.split("a <r> \t\u00a0b", false)) == "[a ][<r> \t\u00a0=2][b]");
  BOOST_TEST(show(tokens.split("  <n>  ", false)) == "[  ][<n>=3][  ]");
  BOOST_TEST(show(tokens.split("<r>  <l>", false)) == "[<r>  =2][<l>=1]");
  BOOST_TEST(show(tokens.split(" <l>", false)) == "[ <l>=1]");
  BOOST_TEST(show(tokens.split("<r>", false)) == "[<r>=2]");
  BOOST_TEST(show(tokens.split("\xA0<l>\xFF", false)) == "[\xA0][<l>=1][\xFF]");
}

BOOST_AUTO_TEST_CASE(white_space_that_a_token_takes_along_may_start_another_token) {
  const AddedTokens tokens({{.content = "<r>", .id = 1, .rstrip = true}, {.content = " the", .id = 2}});
  BOOST_TEST(show(tokens.split("<r>  the  x", false)) == "[<r>  =1][ the=2][  x]");
}

BOOST_AUTO_TEST_CASE(single_word_tokens_are_not_found_inside_words) {
  const AddedTokens tokens({{.content = "cat", .id = 1, .single_word = true}});
  BOOST_TEST(show(tokens.split("cat", false)) == "[cat=1]");
  BOOST_TEST(show(tokens.split("a cat.", false)) == "[a ][cat=1][.]");
  BOOST_TEST(show(tokens.split("concat", false)) == "[concat]");
  BOOST_TEST(show(tokens.split("cats", false)) == "[cats]");
  BOOST_TEST(show(tokens.split("cat_", false)) == "[cat_]");
  BOOST_TEST(show(tokens.split("\u00e9cat", false)) == "[\u00e9cat]");
  BOOST_TEST(show(tokens.split("cat\u0301", false)) == "[cat\u0301]");
  BOOST_TEST(show(tokens.split("cat\u24d0", false)) == "[cat\u24d0]");
  BOOST_TEST(show(tokens.split("\u2014cat\u2014", false)) == "[\u2014][cat=1][\u2014]");
  BOOST_TEST(show(tokens.split("concat cat", false)) == "[concat ][cat=1]");
}

BOOST_AUTO_TEST_CASE(normalized_tokens_are_looked_for_in_what_the_others_leave) {
  const AddedTokens tokens({{.content = "ab", .id = 1, .normalized = true}, {.content = "bc", .id = 2}});
  BOOST_TEST(show(tokens.split("abc ab", false)) == "[a][bc=2][ ][ab=1]");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace llorch::tokenizer
