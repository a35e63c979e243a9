// Small pure parts: routes, authorization, response heads, events, URLs.
#include <boost/test/unit_test.hpp>
#include <set>
#include <string>

#include "http/authorization.hpp"
#include "http/response_text.hpp"
#include "http/router.hpp"
#include "http/sse.hpp"

using namespace llorch::http;

BOOST_AUTO_TEST_SUITE(http_text)

BOOST_AUTO_TEST_CASE(the_router_finds_by_method_and_path_and_names_what_is_allowed) {
  Router router;
  router.add("GET", "/a", nullptr);
  router.add("POST", "/a", nullptr);
  router.add("POST", "/b", nullptr);
  BOOST_TEST(router.find("GET", "/a") != nullptr);
  BOOST_TEST(router.find("HEAD", "/a") == router.find("GET", "/a"));
  BOOST_TEST(router.find("HEAD", "/b") == nullptr);
  BOOST_TEST(router.find("get", "/a") == nullptr);
  BOOST_TEST(router.find("GET", "/a/") == nullptr);
  BOOST_TEST(router.allowed("/a") == "GET, HEAD, POST, OPTIONS");
  BOOST_TEST(router.allowed("/b") == "POST, OPTIONS");
  BOOST_TEST(router.allowed("/c") == "");
}

BOOST_AUTO_TEST_CASE(an_empty_key_authorizes_nobody) {
  const Headers headers{{"authorization", "Bearer "}};
  BOOST_TEST(!is_authorized(headers, ""));
  BOOST_TEST(!is_authorized({}, "key"));
}

BOOST_AUTO_TEST_CASE(a_response_header_cannot_break_the_head) {
  const Headers headers{{"X-Good", "a b"}, {"X-Bad", "a\r\nSet-Cookie: b"}, {"X Bad", "a"}, {"", "a"}};
  ResponseHead head;
  head.status = 429;
  head.headers = &headers;
  head.content_length = 3;
  head.keep_alive = false;
  const std::string text = response_head(head);
  BOOST_TEST(text.starts_with("HTTP/1.1 429 Too Many Requests\r\nDate: "), text);
  BOOST_TEST(text.ends_with("\r\nContent-Length: 3\r\nConnection: close\r\nX-Good: a b\r\n\r\n"), text);
}

BOOST_AUTO_TEST_CASE(a_chunk_tells_its_size_in_hexadecimal) {
  BOOST_TEST(chunk("hello") == "5\r\nhello\r\n");
  BOOST_TEST(chunk(std::string(300, 'x')).starts_with("12c\r\n"));
}

BOOST_AUTO_TEST_CASE(made_request_ids_differ) {
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i)
    ids.insert(accept_or_make_request_id(std::nullopt));
  BOOST_TEST(ids.size() == 1000U);
}

BOOST_AUTO_TEST_CASE(events_have_one_space_and_end_in_an_empty_line) {
  BOOST_TEST(sse_event("token", "{\"t\":1}") == "event: token\ndata: {\"t\":1}\n\n");
  BOOST_TEST(sse_data("[DONE]") == "data: [DONE]\n\n");
}

BOOST_AUTO_TEST_SUITE_END()
