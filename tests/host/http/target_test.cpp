// Paths that two readers could read differently are refused; everything else is decoded exactly once.
#include "http/target.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

using namespace llorch::http;

BOOST_AUTO_TEST_SUITE(http_target)

BOOST_AUTO_TEST_CASE(accepted_targets_are_split_and_decoded) {
  struct Row {
    const char* target;
    const char* path;
    const char* query;
  };
  const Row table[] = {
      {"/", "/", ""},         {"/v1/models", "/v1/models", ""}, {"/a?b?c=%2e%2e/../", "/a", "b?c=%2e%2e/../"},
      {"/%41%62", "/Ab", ""}, {"/%c3%a4", "/\xc3\xa4", ""},     {"/%252e%252e/x", "/%2e%2e/x", ""},
      {"/...", "/...", ""},   {"/.a/b.", "/.a/b.", ""},         {"//", "//", ""},
      {"http://h", "/", ""},  {"http://h:80/a?b", "/a", "b"},   {"http://h?b", "/", "b"},
  };
  for (const Row& row : table) {
    const auto target = parse_target("GET", row.target);
    BOOST_REQUIRE_MESSAGE(target, row.target << ": " << target.error().message);
    BOOST_TEST(target->path == row.path, row.target << ": " << target->path);
    BOOST_TEST(target->query == row.query, row.target << ": " << target->query);
  }
}

BOOST_AUTO_TEST_CASE(hostile_targets_are_400) {
  for (const char* target : {"/%2e%2e/etc/passwd",
                             "/%2E%2e",
                             "/../x",
                             "/a/..",
                             "/./a",
                             "/a/.",
                             "/%2f",
                             "/a%2Fb",
                             "/%00",
                             "/a%00.html",
                             "/%0a",
                             "/%0d%0aX:1",
                             "/%7f",
                             "/%5c..%5c",
                             "/..\\x",
                             "\\x",
                             "/%c0%af",
                             "/%c0%ae%c0%ae/",
                             "/%e0%80%af",
                             "/%ed%a0%80",
                             "/%f4%90%80%80",
                             "/%ff",
                             "/%c3",
                             "/%",
                             "/%4",
                             "/%zz",
                             "/%u002e",
                             "/a#b",
                             "a",
                             "",
                             "*",
                             "https://h/",
                             "ftp://h/",
                             "http://",
                             "http:///x",
                             "http://u@h/",
                             "h:443",
                             "file:///etc/passwd"}) {
    const auto parsed = parse_target("GET", target);
    BOOST_REQUIRE_MESSAGE(!parsed, target << " was accepted");
    BOOST_TEST(parsed.error().status == 400U, target);
  }
}

BOOST_AUTO_TEST_CASE(the_asterisk_is_for_options_only) {
  BOOST_TEST(parse_target("OPTIONS", "*").value().path == "*");
  BOOST_TEST(!parse_target("POST", "*"));
}

BOOST_AUTO_TEST_SUITE_END()
