#include "base/url.hpp"

#include <boost/test/unit_test.hpp>

using llorch::parse_url;

BOOST_AUTO_TEST_SUITE(base_url)

BOOST_AUTO_TEST_CASE(urls_are_taken_apart_or_refused_with_a_reason) {
  struct Row {
    const char* url;
    const char* host;
    unsigned port;
    const char* target;
  };
  const Row good[] = {
      {"http://h", "h", 80, "/"},
      {"http://h:8080/a?b=c", "h", 8080, "/a?b=c"},
      {"http://127.0.0.1:1?x", "127.0.0.1", 1, "/?x"},
      {"http://[::1]:99/r", "::1", 99, "/r"},
      {"http://[::1]/r#f", "::1", 80, "/r"},
  };
  for (const Row& row : good) {
    const auto url = parse_url(row.url);
    BOOST_REQUIRE_MESSAGE(url, row.url << ": " << url.error().message);
    BOOST_TEST(url->host == row.host, row.url);
    BOOST_TEST(url->port == row.port, row.url);
    BOOST_TEST(url->target == row.target, row.url);
  }
  for (const char* bad : {"", "h", "ftp://h", "http://", "http:///x", "http://:80/", "http://h:0", "http://h:65536",
                          "http://h:", "http://h:8x", "http://u@h/", "http://[::1", "http://[::1]x/", "http://h/a b",
                          "http://h/\r\nX: y"}) {
    const auto url = parse_url(bad);
    BOOST_REQUIRE_MESSAGE(!url, bad << " was accepted");
    BOOST_TEST((url.error().code == llorch::ErrorCode::kInvalidArgument), bad);
  }
  BOOST_TEST((parse_url("https://h").error().code == llorch::ErrorCode::kUnsupported));
}

BOOST_AUTO_TEST_SUITE_END()
