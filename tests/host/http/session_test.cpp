// Ordinary requests over a real socket: answers, methods, keep-alive, streams, failing handlers.
#include <boost/test/unit_test.hpp>

#include "server_fixture.hpp"

using namespace llorch::testing;
using llorch::http::ServerOptions;

BOOST_AUTO_TEST_SUITE(http_session)

BOOST_AUTO_TEST_CASE(a_get_is_answered_with_length_and_date) {
  HttpServer server;
  RawHttpClient client(server.port());
  const RawResponse response = client.exchange(get_text("/echo?a=%20b"));
  BOOST_TEST(response.status == 200);
  BOOST_TEST(response.body == "a=%20b");
  BOOST_TEST(response.header("content-type") == "text/plain");
  BOOST_TEST(response.header("date").ends_with(" GMT"));
}

BOOST_AUTO_TEST_CASE(a_connection_serves_one_request_after_another) {
  HttpServer server;
  RawHttpClient client(server.port());
  for (int i = 0; i < 20; ++i) {
    const std::string body = "body " + std::to_string(i);
    BOOST_TEST(client.exchange(post_text("/echo", body)).body == body);
  }
  BOOST_TEST(server.open_connections() == 1U);
}

BOOST_AUTO_TEST_CASE(a_request_that_arrives_byte_by_byte_is_served) {
  HttpServer server;
  RawHttpClient client(server.port());
  for (const char c : post_text("/echo", "slow"))
    client.send(std::string(1, c));
  BOOST_TEST(client.read_response().body == "slow");
}

BOOST_AUTO_TEST_CASE(empty_lines_before_a_request_are_skipped) {
  HttpServer server;
  RawHttpClient client(server.port());
  client.send("\r\n\r\n\r\n" + get_text("/echo?one") + "\r\n\r\n" + get_text("/echo?two"));
  BOOST_TEST(client.read_response().body == "one");
  BOOST_TEST(client.read_response().body == "two");
}

BOOST_AUTO_TEST_CASE(head_has_the_length_of_get_and_no_body) {
  HttpServer server;
  RawHttpClient client(server.port());
  client.send("HEAD /health HTTP/1.1\r\nHost: h\r\n\r\n" + get_text("/echo?next"));
  const RawResponse head = client.read_response(false);
  BOOST_TEST(head.status == 200);
  BOOST_TEST(head.header("content-length") == "7");
  BOOST_TEST(client.read_response().body == "next");
}

BOOST_AUTO_TEST_CASE(options_names_the_methods_and_allows_no_origin) {
  HttpServer server;
  RawHttpClient client(server.port());
  const RawResponse response = client.exchange(
      "OPTIONS /echo HTTP/1.1\r\nHost: h\r\nOrigin: http://evil.example\r\nAccess-Control-Request-Method: "
      "POST\r\n\r\n");
  BOOST_TEST(response.status == 204);
  BOOST_TEST(response.header("allow") == "GET, HEAD, POST, OPTIONS");
  for (const auto& [name, value] : response.headers)
    BOOST_TEST(!name.starts_with("access-control-"), name);
}

BOOST_AUTO_TEST_CASE(an_unknown_path_is_404_and_a_wrong_method_405_with_allow) {
  HttpServer server;
  RawHttpClient client(server.port());
  BOOST_TEST(client.exchange(get_text("/nothing")).status == 404);
  const RawResponse wrong = client.exchange("DELETE /health HTTP/1.1\r\nHost: h\r\n\r\n");
  BOOST_TEST(wrong.status == 405);
  BOOST_TEST(wrong.header("allow") == "GET, HEAD, OPTIONS");
}

BOOST_AUTO_TEST_CASE(a_stream_arrives_event_by_event_in_chunks) {
  HttpServer server;
  RawHttpClient client(server.port());
  client.send(post_text("/stream", ""));
  const std::string head = client.read_until("\r\n\r\n");
  BOOST_TEST(head.find("Content-Type: text/event-stream\r\n") != std::string::npos, head);
  BOOST_TEST(head.find("Transfer-Encoding: chunked\r\n") != std::string::npos, head);
  BOOST_TEST(client.read_until("}\n\n\r\n") == "19\r\nevent: started\ndata: {}\n\n\r\n");
  BOOST_TEST(server.started.reaches(1));
  server.release();
  BOOST_TEST(client.read_until("0\r\n\r\n") == "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n");
  BOOST_TEST(client.exchange(get_text("/health")).status == 200, "the connection is still usable");
}

BOOST_AUTO_TEST_CASE(http_1_0_gets_no_chunks_and_is_closed) {
  HttpServer server;
  RawHttpClient client(server.port());
  client.send("POST /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  BOOST_TEST(server.started.reaches(1));
  server.release();
  const std::string all = client.read_to_end();
  BOOST_TEST(all.find("chunked") == std::string::npos, all);
  BOOST_TEST(all.find("Connection: close\r\n") != std::string::npos, all);
  BOOST_TEST(all.ends_with("\r\n\r\nevent: started\ndata: {}\n\ndata: [DONE]\n\n"), all);
}

BOOST_AUTO_TEST_CASE(connection_close_is_obeyed) {
  HttpServer server;
  RawHttpClient client(server.port());
  const RawResponse response = client.exchange(get_text("/health", "Connection: close\r\n"));
  BOOST_TEST(response.header("connection") == "close");
  BOOST_TEST(client.is_closed_by_server());
}

BOOST_AUTO_TEST_CASE(a_request_id_is_echoed_when_it_is_harmless_and_made_otherwise) {
  HttpServer server;
  RawHttpClient client(server.port());
  BOOST_TEST(client.exchange(get_text("/health", "X-Request-Id: job-7:a.b_c\r\n")).header("x-request-id") ==
             "job-7:a.b_c");
  const std::string too_long(65, 'a');
  for (const std::string& bad : {std::string("a b"), std::string("<x>"), too_long, std::string()}) {
    const std::string made =
        client.exchange(get_text("/health", "X-Request-Id: " + bad + "\r\n")).header("x-request-id");
    BOOST_TEST(made.size() == 32U, "expected 32 digits, found '" << made << "'");
  }
}

BOOST_AUTO_TEST_CASE(a_handler_that_throws_gives_500_and_the_worker_goes_on) {
  HttpServer server;
  RawHttpClient client(server.port());
  const RawResponse response = client.exchange(get_text("/throw"));
  BOOST_TEST(response.status == 500);
  BOOST_TEST(response.body.find("on purpose") == std::string::npos, "the reason belongs to the log");
  BOOST_TEST(client.exchange(get_text("/mute")).status == 500, "no answer is an error too");
  BOOST_TEST(client.exchange(get_text("/health")).status == 200);
}

BOOST_AUTO_TEST_CASE(a_handler_that_throws_in_a_stream_cuts_the_connection_without_a_last_chunk) {
  HttpServer server;
  RawHttpClient client(server.port());
  const RawResponse response = client.exchange(post_text("/cut", ""));
  BOOST_TEST(response.status == 200);
  BOOST_TEST(response.body == "data: {}\n\n");
  BOOST_TEST(!response.complete);
}

BOOST_AUTO_TEST_CASE(with_a_key_only_its_bearer_may_ask_and_probes_stay_open) {
  ServerOptions options;
  options.api_key = "sesame-open";
  HttpServer server(options);
  struct Row {
    std::string authorization;
    unsigned status;
  };
  const Row rows[] = {
      {"", 401},
      {"Authorization: Bearer sesame-open\r\n", 200},
      {"Authorization: bearer  sesame-open\r\n", 200},
      {"Authorization: Bearer sesame-opem\r\n", 401},
      {"Authorization: Bearer sesame-ope\r\n", 401},
      {"Authorization: Bearer sesame-opensesame-open\r\n", 401},
      {"Authorization: Bearer \r\n", 401},
      {"Authorization: Basic sesame-open\r\n", 401},
      {"Authorization: Bearer sesame-open\r\nAuthorization: Bearer sesame-open\r\n", 401},
  };
  for (const Row& row : rows) {
    RawHttpClient client(server.port());
    const RawResponse response = client.exchange(post_text("/echo", "", row.authorization));
    BOOST_TEST(response.status == row.status, row.authorization << ": " << response.status);
    if (row.status == 401) BOOST_TEST(response.header("www-authenticate") == "Bearer");
  }
  RawHttpClient client(server.port());
  BOOST_TEST(client.exchange(get_text("/health")).status == 200);
}

BOOST_AUTO_TEST_SUITE_END()
