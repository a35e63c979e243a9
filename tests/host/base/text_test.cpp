// UTF-8 validation and quoting.
#include "base/text.hpp"

#include <boost/test/unit_test.hpp>
#include <string>
#include <utility>
#include <vector>

namespace {

using llorch::is_utf8;
using llorch::quote;
using namespace std::string_literals;

BOOST_AUTO_TEST_SUITE(text)

BOOST_AUTO_TEST_CASE(well_formed_utf8_is_recognised) {
  for (const std::string& good : {""s, "a"s, "\0"s, "\x7F"s, "\xC2\x80"s, "\xDF\xBF"s, "\xE0\xA0\x80"s, "\xED\x9F\xBF"s,
                                  "\xEE\x80\x80"s, "\xEF\xBF\xBF"s, "\xF0\x90\x80\x80"s, "\xF4\x8F\xBF\xBF"s}) {
    BOOST_TEST(is_utf8(good), quote(good));
    BOOST_TEST(is_utf8("x" + good + "y"), quote(good));
  }
}

BOOST_AUTO_TEST_CASE(overlong_forms_surrogates_and_fragments_are_not_utf8) {
  for (const std::string& bad : {"\x80"s, "\xBF"s, "\xC0\x80"s, "\xC1\xBF"s, "\xC2"s, "\xC2\x41"s, "\xE0\x9F\xBF"s,
                                 "\xE1\x80"s, "\xED\xA0\x80"s, "\xED\xBF\xBF"s, "\xF0\x8F\xBF\xBF"s, "\xF0\x90\x80"s,
                                 "\xF4\x90\x80\x80"s, "\xF5\x80\x80\x80"s, "\xFE"s, "\xFF"s}) {
    BOOST_TEST(!is_utf8(bad), quote(bad));
    BOOST_TEST(!is_utf8("x" + bad + "y"), quote(bad));
  }
}

BOOST_AUTO_TEST_CASE(quotes_make_one_printable_line) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "\"\""},
      {"plain", "\"plain\""},
      {"a\"b\\c", R"("a\"b\\c")"},
      {"a\nb\tc\0d\x7F"s, R"("a\nb\x09c\x00d\x7f")"},
      {"\xFFz\xC3", R"("\xffz\xc3")"},
      {"\u00e9\U0001F600", "\"\u00e9\U0001F600\""},
  };
  for (const auto& [text, expected] : cases) {
    BOOST_TEST(quote(text) == expected);
  }
}

BOOST_AUTO_TEST_CASE(long_text_is_cut_between_characters) {
  BOOST_TEST(quote("abcdef", 6) == "\"abcdef\"");
  BOOST_TEST(quote("abcdef", 5) == "\"abcde...\"");
  BOOST_TEST(quote("ab\u00e9", 3) == "\"ab...\"");
  BOOST_TEST(quote(std::string(1000, 'x')).size() == 85U);
}

BOOST_AUTO_TEST_CASE(foreign_text_can_neither_forge_a_line_nor_steer_a_terminal) {
  BOOST_TEST(llorch::one_line("plain \"text\" \xC3\xA9") == "plain \"text\" \xC3\xA9");
  for (const char* hostile : {"a\nb", "\x1b[31m", "\x7f", "\xff",
                              "\xC2\x9B"
                              "31m"}) {
    for (const std::string& shown : {llorch::one_line(hostile), quote(hostile)}) {
      for (const char c : shown)
        BOOST_TEST((c >= 0x20 && c < 0x7F), "byte " << static_cast<int>(c));
    }
  }
  BOOST_TEST(llorch::one_line("\xC2\xA0\xC3\x85") == "\xC2\xA0\xC3\x85");
}

BOOST_AUTO_TEST_CASE(bytes_that_are_not_utf8_are_replaced_one_by_one) {
  BOOST_TEST(llorch::valid_utf8("a\xff\xC3\xA9\xC3") == "a\xEF\xBF\xBD\xC3\xA9\xEF\xBF\xBD");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
