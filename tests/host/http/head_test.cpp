// Every rule of a request's head, as a table of bytes and the status they get (0: accepted).
#include "http/head.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

using namespace llorch::http;
using namespace std::string_literals;

namespace {

struct Row {
  const char* what;
  std::string head;
  unsigned status;
};

unsigned status_of(const std::string& bytes) {
  const auto head = parse_head(bytes);
  return head ? 0 : head.error().status;
}

void check(const Row* begin, const Row* end) {
  for (const Row* row = begin; row != end; ++row) {
    const unsigned status = status_of(row->head);
    BOOST_TEST(status == row->status, row->what << ": expected " << row->status << ", found " << status);
  }
}

std::string get(const std::string& lines) {
  return "GET / HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n";
}
std::string line(const std::string& request_line) {
  return request_line + "\r\nHost: h\r\n\r\n";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(http_head)

BOOST_AUTO_TEST_CASE(ambiguous_body_length_is_refused) {
  const Row table[] = {
      {"no body", get(""), 0},
      {"one length", get("Content-Length: 5\r\n"), 0},
      {"leading zeros", get("Content-Length: 005\r\n"), 0},
      {"chunked", get("Transfer-Encoding: chunked\r\n"), 0},
      {"chunked, other case", get("transfer-ENCODING: \t Chunked \r\n"), 0},
      {"length, then coding", get("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400},
      {"coding, then length", get("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400},
      {"gzip with a length", get("Transfer-Encoding: gzip\r\nContent-Length: 5\r\n"), 400},
      {"coding not ending in chunked", get("Transfer-Encoding: chunked, gzip\r\n"), 400},
      {"identity", get("Transfer-Encoding: identity\r\n"), 400},
      {"unknown coding", get("Transfer-Encoding: xchunked\r\n"), 400},
      {"chunked with a parameter", get("Transfer-Encoding: chunked;q=1\r\n"), 400},
      {"quoted chunked", get("Transfer-Encoding: \"chunked\"\r\n"), 400},
      {"empty coding", get("Transfer-Encoding:\r\n"), 400},
      {"chunked and a comma", get("Transfer-Encoding: chunked,\r\n"), 400},
      {"chunked twice", get("Transfer-Encoding: chunked, chunked\r\n"), 400},
      {"chunked in two lines", get("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400},
      {"chunked, then identity in another line", get("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
       400},
      {"vertical tab in the coding", get("Transfer-Encoding: \x0b"s + "chunked\r\n"), 400},
      {"gzip, chunked", get("Transfer-Encoding: gzip, chunked\r\n"), 501},
      {"chunked on HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"two equal lengths", get("Content-Length: 5\r\nContent-Length: 5\r\n"), 400},
      {"two different lengths", get("Content-Length: 5\r\nContent-Length: 6\r\n"), 400},
      {"a list of lengths", get("Content-Length: 5, 5\r\n"), 400},
      {"negative length", get("Content-Length: -1\r\n"), 400},
      {"signed length", get("Content-Length: +5\r\n"), 400},
      {"hexadecimal length", get("Content-Length: 0x5\r\n"), 400},
      {"fractional length", get("Content-Length: 5.0\r\n"), 400},
      {"length with a space", get("Content-Length: 5 5\r\n"), 400},
      {"empty length", get("Content-Length:\r\n"), 400},
      {"length in other digits", get("Content-Length: \xd9\xa5\r\n"), 400},
  };
  check(std::begin(table), std::end(table));
}

BOOST_AUTO_TEST_CASE(a_length_beyond_64_bits_saturates_instead_of_wrapping) {
  for (const char* digits : {"18446744073709551615", "18446744073709551616", "18446744073709551621",
                             "99999999999999999999999999999999999999"}) {
    const auto head = parse_head(get("Content-Length: "s + digits + "\r\n"));
    BOOST_REQUIRE_MESSAGE(head, digits);
    BOOST_TEST(head->content_length.value() == UINT64_MAX, digits);
  }
}

BOOST_AUTO_TEST_CASE(lines_are_separated_by_crlf_and_hold_no_control_characters) {
  const Row table[] = {
      {"bare LF after the request line", "GET / HTTP/1.1\nHost: h\r\n\r\n", 400},
      {"bare LF after a header", "GET / HTTP/1.1\r\nHost: h\n\r\n\r\n", 400},
      {"bare LF at the end", "GET / HTTP/1.1\r\nHost: h\r\n\n", 400},
      {"bare CR in a value", get("A: b\rc\r\n"), 400},
      {"bare CR before CRLF", get("A: b\r\r\n"), 400},
      {"NUL in a value", get("A: b\0c\r\n"s), 400},
      {"NUL in a name", get("A\0: b\r\n"s), 400},
      {"NUL in the target", "GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n"s, 400},
      {"DEL", get("A: \x7f\r\n"), 400},
      {"escape", get("A: \x1b[2J\r\n"), 400},
      {"folded line, space", get("A: b\r\n c\r\n"), 400},
      {"folded line, tab", get("A: b\r\n\tTransfer-Encoding: chunked\r\n"), 400},
      {"folded first header", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400},
      {"space before the colon", get("Content-Length : 5\r\n"), 400},
      {"tab before the colon", get("Content-Length\t: 5\r\n"), 400},
      {"space in the name", get("A b: c\r\n"), 400},
      {"no colon", get("A\r\n"), 400},
      {"empty name", get(": a\r\n"), 400},
      {"name beyond ASCII", get("\xc3\xa4: a\r\n"), 400},
      {"tab and bytes beyond ASCII in a value", get("A: \tb\t\xc3\xa4\r\n"), 0},
      {"empty value", get("A:\r\n"), 0},
      {"empty line first", "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"TLS greeting", "\x16\x03\x01\x02\r\n\r\n", 400},
      {"nothing", "", 400},
      {"no end", "GET / HTTP/1.1\r\nHost: h\r\n", 400},
      {"bytes after the end", get("") + "x", 400},
  };
  check(std::begin(table), std::end(table));
}

BOOST_AUTO_TEST_CASE(the_request_line_has_three_words_and_a_known_version) {
  const Row table[] = {
      {"HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", 0},
      {"unusual method", line("BREW / HTTP/1.1"), 0},
      {"two spaces", line("GET  / HTTP/1.1"), 400},
      {"tab", line("GET\t/ HTTP/1.1"), 400},
      {"space at the end", line("GET / HTTP/1.1 "), 400},
      {"space first", line(" GET / HTTP/1.1"), 400},
      {"no version", line("GET /"), 400},
      {"space in the target", line("GET /a b HTTP/1.1"), 400},
      {"method with a colon", line("GE:T / HTTP/1.1"), 400},
      {"method of 33 letters", line(std::string(33, 'A') + " / HTTP/1.1"), 400},
      {"lower-case http", line("GET / http/1.1"), 400},
      {"version with more digits", line("GET / HTTP/1.10"), 400},
      {"version without digits", line("GET / HTTP/x.y"), 400},
      {"HTTP/1.2", line("GET / HTTP/1.2"), 505},
      {"HTTP/2.0", line("GET / HTTP/2.0"), 505},
      {"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\n", 505},
      {"HTTP/0.9", line("GET / HTTP/0.9"), 505},
      {"target beyond ASCII", line("GET /\xc3\xa4 HTTP/1.1"), 400},
  };
  check(std::begin(table), std::end(table));
}

BOOST_AUTO_TEST_CASE(http_1_1_has_exactly_one_host) {
  const Row table[] = {
      {"none on 1.1", "GET / HTTP/1.1\r\n\r\n", 400},
      {"none on 1.0", "GET / HTTP/1.0\r\n\r\n", 0},
      {"two on 1.1", get("Host: h\r\n"), 400},
      {"two on 1.0", "GET / HTTP/1.0\r\nHost: h\r\nHost: h\r\n\r\n", 400},
      {"with a port", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 0},
      {"empty", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 0},
      {"a list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400},
      {"a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
      {"user information", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400},
  };
  check(std::begin(table), std::end(table));
}

BOOST_AUTO_TEST_CASE(more_than_100_header_lines_are_431) {
  std::string lines;
  for (int i = 0; i < 99; ++i)
    lines += "A: b\r\n";
  BOOST_TEST(status_of(get(lines)) == 0U);
  BOOST_TEST(status_of(get(lines + "A: b\r\n")) == 431U);
}

BOOST_AUTO_TEST_CASE(expectations_other_than_100_continue_are_marked) {
  const auto expectation = [](const std::string& lines) { return parse_head(get(lines)).value().expectation; };
  BOOST_TEST((expectation("") == Expectation::kNone));
  BOOST_TEST((expectation("Expect: 100-Continue\r\n") == Expectation::kContinue));
  BOOST_TEST((expectation("Expect: 200-ok\r\n") == Expectation::kOther));
  BOOST_TEST((expectation("Expect: 100-continue, x\r\n") == Expectation::kOther));
  BOOST_TEST((expectation("Expect: 100-continue\r\nExpect: 100-continue\r\n") == Expectation::kOther));
  const auto old = parse_head("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n");
  BOOST_TEST((old.value().expectation == Expectation::kNone), "HTTP/1.0 knows no expectations");
}

BOOST_AUTO_TEST_CASE(keep_alive_follows_version_and_connection_header) {
  BOOST_TEST(parse_head(get("")).value().keep_alive);
  BOOST_TEST(parse_head(get("Connection: keep-alive\r\n")).value().keep_alive);
  BOOST_TEST(!parse_head(get("Connection: x, CLOSE\r\n")).value().keep_alive);
  BOOST_TEST(!parse_head("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").value().keep_alive);
}

BOOST_AUTO_TEST_CASE(names_become_lower_case_and_values_lose_outer_white_space) {
  const auto head = parse_head("POST /a%20b?q=%20 HTTP/1.1\r\nHOST: h\r\nX-Y:  \t a b \t\r\n\r\n");
  BOOST_REQUIRE(head);
  BOOST_TEST(head->method == "POST");
  BOOST_TEST(head->path == "/a b");
  BOOST_TEST(head->query == "q=%20");
  BOOST_TEST(head->headers.at(1).first == "x-y");
  BOOST_TEST(head->headers.at(1).second == "a b");
}

BOOST_AUTO_TEST_CASE(scanning_finds_the_same_end_however_the_bytes_arrive) {
  const std::string whole = get("A: b\r\n") + "GET /next";
  const std::size_t end = whole.size() - 9;
  std::size_t offset = 0;
  for (std::size_t size = 0; size < end; ++size) {
    BOOST_TEST((scan_head(whole.substr(0, size), &offset) == HeadScan::kIncomplete), size);
  }
  BOOST_TEST((scan_head(whole, &offset) == HeadScan::kComplete));
  BOOST_TEST(offset == end);
  for (const std::string& bad : {"GET / HTTP/1.1\nH"s, "G\0"s, "GET\rx"s, "\n"s}) {
    offset = 0;
    BOOST_TEST((scan_head(bad, &offset) == HeadScan::kMalformed), bad);
  }
}

BOOST_AUTO_TEST_SUITE_END()
