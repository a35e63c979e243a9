// Hostile requests over a real socket: what is answered, that the connection ends, and that the server goes on.
#include <boost/test/unit_test.hpp>

#include "server_fixture.hpp"

using namespace llorch::testing;
using llorch::http::ServerOptions;
using std::chrono::milliseconds;

namespace {

const std::string smuggled_request = post_text("/smuggled", "");

ServerOptions short_deadlines() {
  ServerOptions options;
  options.request_deadline = milliseconds(200);
  options.keep_alive_deadline = milliseconds(200);
  options.write_deadline = milliseconds(300);
  return options;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(http_hostile)

BOOST_AUTO_TEST_CASE(a_request_smuggled_behind_ambiguous_framing_never_runs) {
  HttpServer server;
  const std::string head = "POST /echo HTTP/1.1\r\nHost: h\r\n";
  const std::string length = "Content-Length: " + std::to_string(smuggled_request.size()) + "\r\n";
  struct Row {
    const char* what;
    std::string bytes;
    unsigned status;
  };
  const Row table[] = {
      {"length, coding", head + length + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled_request, 400},
      {"coding, length", head + "Transfer-Encoding: chunked\r\n" + length + "\r\n0\r\n\r\n" + smuggled_request, 400},
      {"coding not ending in chunked", head + "Transfer-Encoding: gzip\r\n\r\n" + smuggled_request, 400},
      {"unknown coding", head + "Transfer-Encoding: xchunked\r\n\r\n" + smuggled_request, 400},
      {"gzip, chunked", head + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + smuggled_request, 501},
      {"coding on HTTP/1.0", "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled_request,
       400},
      {"two lengths", head + "Content-Length: 0\r\n" + length + "\r\n" + smuggled_request, 400},
      {"a list of lengths", head + "Content-Length: 0, 0\r\n\r\n" + smuggled_request, 400},
      {"folded coding", head + "Content-Length: 0\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n" + smuggled_request,
       400},
      {"no host", "POST /echo HTTP/1.1\r\nContent-Length: 0\r\n\r\n" + smuggled_request, 400},
      {"two hosts", head + "Host: i\r\nContent-Length: 0\r\n\r\n" + smuggled_request, 400},
      {"bare LF", "POST /echo HTTP/1.1\nHost: h\nContent-Length: 0\n\n" + smuggled_request, 400},
      {"bare CR", head + "X: a\rb\r\nContent-Length: 0\r\n\r\n" + smuggled_request, 400},
      {"NUL", head + "X: a" + std::string(1, '\0') + "\r\nContent-Length: 0\r\n\r\n" + smuggled_request, 400},
      {"space before the colon", head + "Content-Length : 0\r\n\r\n" + smuggled_request, 400},
      {"another version", "POST /echo HTTP/2.0\r\nHost: h\r\n\r\n" + smuggled_request, 505},
      {"broken chunk", head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n" + smuggled_request, 400},
      {"refused body", head + "Expect: something\r\n" + length + "\r\n" + smuggled_request, 417},
      {"body of an unknown path", "POST /none HTTP/1.1\r\nHost: h\r\n" + length + "\r\n" + smuggled_request, 404},
      {"body of a wrong method", "POST /health HTTP/1.1\r\nHost: h\r\n" + length + "\r\n" + smuggled_request, 405},
      {"body of OPTIONS", "OPTIONS /echo HTTP/1.1\r\nHost: h\r\n" + length + "\r\n" + smuggled_request, 204},
  };
  for (const Row& row : table) {
    RawHttpClient client(server.port());
    const RawResponse response = client.exchange(row.bytes);
    BOOST_TEST(response.status == row.status, row.what << ": expected " << row.status << ", found " << response.status);
    BOOST_TEST(response.header("connection") == "close", row.what);
    BOOST_TEST(client.is_closed_by_server(), row.what);
  }
  BOOST_TEST(server.smuggled.value() == 0);
  RawHttpClient client(server.port());
  BOOST_TEST(client.exchange(smuggled_request).status == 200, "the route itself works");
}

BOOST_AUTO_TEST_CASE(a_body_that_looks_like_a_request_stays_a_body) {
  HttpServer server;
  RawHttpClient client(server.port());
  BOOST_TEST(client.exchange(post_text("/echo", smuggled_request)).body == smuggled_request);
  BOOST_TEST(client
                 .exchange(get_text("/health", "Content-Length: " + std::to_string(smuggled_request.size()) + "\r\n") +
                           smuggled_request)
                 .status == 200);
  BOOST_TEST(client.exchange(get_text("/health")).status == 200);
  BOOST_TEST(server.smuggled.value() == 0);
}

BOOST_AUTO_TEST_CASE(trailers_are_dropped) {
  HttpServer server;
  RawHttpClient client(server.port());
  const RawResponse response = client.exchange(
      "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X-Trailer\r\n\r\n"
      "5\r\nhello\r\n0\r\nX-Trailer: yes\r\nContent-Length: 100\r\n\r\n");
  BOOST_TEST(response.body == "hello");
  BOOST_TEST(!response.headers.contains("x-merged"));
  BOOST_TEST(client.exchange(get_text("/health")).status == 200, "the connection goes on after the trailers");
}

BOOST_AUTO_TEST_CASE(an_endless_chunk_extension_is_cut_off_early) {
  HttpServer server;
  RawHttpClient client(server.port());
  client.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;");
  const std::string part(64 * 1024, 'e');
  for (int sent = 0; sent < 1024 && client.send(part);)
    ++sent;  // 64 MiB, unless the server ends it
  const RawResponse response = client.read_response();
  // The answer may be lost to the reset that stops the sender; a 200 must never come.
  BOOST_TEST((response.status == 400 || response.status == 0), response.status);
  BOOST_TEST(RawHttpClient(server.port()).exchange(get_text("/health")).status == 200);
}

BOOST_AUTO_TEST_CASE(an_extension_just_over_8_kib_is_answered_400) {
  HttpServer server;
  RawHttpClient client(server.port());
  client.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(8193, 'e'));
  BOOST_TEST(client.read_response().status == 400);
  BOOST_TEST(client.is_closed_by_server());
}

BOOST_AUTO_TEST_CASE(three_hundred_thousand_chunks_of_one_byte_are_one_body) {
  HttpServer server;
  RawHttpClient client(server.port());
  std::string bytes = "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 300'000; ++i)
    bytes += "1\r\nx\r\n";
  const RawResponse response = client.exchange(bytes + "0\r\n\r\n");
  BOOST_TEST(response.status == 200);
  BOOST_TEST(response.body.size() == 300'000U);
}

BOOST_AUTO_TEST_CASE(headers_over_8_kib_are_431) {
  HttpServer server;
  const std::string fits =
      get_text("/health", "X: " + std::string(8192 - get_text("/health", "X: \r\n").size(), 'a') + "\r\n");
  BOOST_TEST(fits.size() == 8192U);
  BOOST_TEST(RawHttpClient(server.port()).exchange(fits).status == 200);
  RawHttpClient too_long(server.port());
  BOOST_TEST(too_long.exchange(get_text("/health", "X:  " + std::string(8192, 'a') + "\r\n")).status == 431);
  BOOST_TEST(too_long.is_closed_by_server());
  RawHttpClient endless(server.port());
  endless.send("GET /" + std::string(9000, 'a'));
  BOOST_TEST(endless.read_response().status == 431, "answered without waiting for the end of the line");
}

BOOST_AUTO_TEST_CASE(a_body_over_the_limit_is_413_before_it_is_read) {
  ServerOptions options;
  options.max_body_bytes = 1000;
  HttpServer server(options);
  BOOST_TEST(RawHttpClient(server.port()).exchange(post_text("/echo", std::string(1000, 'x'))).status == 200);
  for (const char* length : {"1001", "18446744073709551615", "18446744073709551617"}) {
    RawHttpClient client(server.port());
    client.send(std::string("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: ") + length + "\r\n\r\n");
    BOOST_TEST(client.read_response().status == 413, length);
    BOOST_TEST(client.is_closed_by_server(), length);
  }
  RawHttpClient chunked(server.port());
  chunked.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n");
  BOOST_TEST(chunked.read_response().status == 413);
}

BOOST_AUTO_TEST_CASE(a_refused_upload_still_reads_its_answer) {
  HttpServer server;
  RawHttpClient client(server.port());
  client.send(post_text("/echo", std::string(8 * 1024 * 1024, 'x')));
  BOOST_TEST(client.read_response().status == 413);
}

BOOST_AUTO_TEST_CASE(continue_is_sent_only_when_the_request_would_be_taken) {
  ServerOptions options;
  options.max_body_bytes = 1000;
  options.api_key = "k";
  HttpServer server(options);
  struct Row {
    const char* what;
    std::string lines;
    unsigned status;
  };
  const std::string key = "Authorization: Bearer k\r\n";
  const Row table[] = {
      {"no key", "Content-Length: 5\r\nExpect: 100-continue\r\n", 401},
      {"too long", key + "Content-Length: 1001\r\nExpect: 100-continue\r\n", 413},
      {"too long and another expectation", key + "Content-Length: 1001\r\nExpect: x\r\n", 413},
      {"another expectation", key + "Content-Length: 5\r\nExpect: x\r\n", 417},
  };
  for (const Row& row : table) {
    RawHttpClient client(server.port());
    client.send("POST /echo HTTP/1.1\r\nHost: h\r\n" + row.lines + "\r\n");
    const std::string first = client.read_until("\r\n");
    BOOST_TEST(first.starts_with("HTTP/1.1 " + std::to_string(row.status)), row.what << ": " << first);
  }
  RawHttpClient client(server.port());
  client.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n" + key + "\r\n");
  BOOST_TEST(client.read_until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("hello");
  BOOST_TEST(client.read_response().body == "hello");
}

BOOST_AUTO_TEST_CASE(paths_that_try_to_leave_are_400_or_404) {
  HttpServer server;
  for (const char* path :
       {"/%2e%2e/%2e%2e/etc/passwd", "/..%2fetc", "/a%00", "/%c0%af", "/a\\b", "/%5c", "/../etc/passwd"}) {
    BOOST_TEST(RawHttpClient(server.port()).exchange(get_text(path)).status == 400, path);
  }
  BOOST_TEST(RawHttpClient(server.port()).exchange(get_text("/%252e%252e/x")).status == 404);
  BOOST_TEST(RawHttpClient(server.port()).exchange(get_text("//health")).status == 404);
  BOOST_TEST(RawHttpClient(server.port()).exchange(get_text("/%68ealth")).status == 200, "an escape of a plain letter");
}

BOOST_AUTO_TEST_CASE(bytes_do_not_extend_the_deadline_of_a_request) {
  HttpServer server(short_deadlines());
  for (const std::string& slow :
       {get_text("/health", "X: " + std::string(4000, 'a') + "\r\n"),
        "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4000\r\n\r\n" + std::string(3999, 'b'),
        "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n" + std::string(4000, 'c')}) {
    RawHttpClient client(server.port());
    client.set_patience(milliseconds(1));
    std::string answer;
    std::size_t sent = 0;
    for (; sent < slow.size() && answer.empty(); ++sent) {
      client.send(slow.substr(sent, 1));
      answer = client.read_some();  // waits a millisecond
    }
    BOOST_TEST(answer.starts_with("HTTP/1.1 408 "), "after " << sent << " bytes: " << answer);
    client.set_patience(milliseconds(5000));
    BOOST_TEST(client.is_closed_by_server());
  }
}

BOOST_AUTO_TEST_CASE(idle_connections_are_closed_without_a_word) {
  HttpServer server(short_deadlines());
  RawHttpClient silent(server.port());
  BOOST_TEST(silent.is_closed_by_server(), "never sent anything");
  RawHttpClient idle(server.port());
  BOOST_TEST(idle.exchange(get_text("/health")).status == 200);
  BOOST_TEST(idle.is_closed_by_server(), "kept alive too long");
}

BOOST_AUTO_TEST_CASE(a_hundred_pipelined_requests_are_answered_in_order) {
  HttpServer server;
  RawHttpClient client(server.port());
  std::string bytes;
  for (int i = 0; i < 50; ++i) {
    bytes += get_text("/echo?" + std::to_string(i));
    bytes += post_text("/echo", "body " + std::to_string(i));
  }
  client.send(bytes);
  for (int i = 0; i < 50; ++i) {
    BOOST_TEST(client.read_response().body == std::to_string(i));
    BOOST_TEST(client.read_response().body == "body " + std::to_string(i));
  }
}

BOOST_AUTO_TEST_CASE(while_a_request_runs_no_more_than_one_buffer_is_read_ahead) {
  HttpServer server;
  RawHttpClient client(server.port(), 4096);
  client.set_patience(milliseconds(300));
  client.send(post_text("/wait", ""));
  BOOST_TEST(server.started.reaches(1));
  const std::string flood(1024 * 1024, '\r');
  std::size_t sent = 0;
  while (sent < 64 * flood.size() && client.send(flood))
    sent += flood.size();
  BOOST_TEST(sent < 32 * flood.size(), "the kernel's buffers fill and the sender is stopped");
  server.release();
  BOOST_TEST(client.read_response().status == 200);
}

BOOST_AUTO_TEST_CASE(a_peer_that_does_not_read_is_given_up_at_the_write_deadline) {
  HttpServer server(short_deadlines());
  RawHttpClient stuck(server.port(), 4096);
  stuck.send(post_text("/flood", ""));
  BOOST_TEST(server.finished.reaches(1), "the handler's write returned false");
  BOOST_TEST(server.flooded.load() < 4U * 1024 * 1024, "found " << server.flooded.load() << " bytes in buffers");
}

BOOST_AUTO_TEST_CASE(a_reader_of_single_bytes_is_given_up_and_others_are_not_harmed) {
  HttpServer server(short_deadlines());
  RawHttpClient slow(server.port(), 4096);
  slow.send(post_text("/flood", ""));
  BOOST_TEST(server.started.reaches(1));
  RawHttpClient other(server.port());
  int answered = 0;
  for (int i = 0; i < 1000 && server.finished.value() == 0; ++i) {
    slow.read_some(1);
    if (other.exchange(get_text("/health")).status == 200) ++answered;
    std::this_thread::sleep_for(milliseconds(5));
  }
  BOOST_TEST(server.finished.reaches(1), "partial progress does not extend the write deadline");
  BOOST_TEST(answered > 10);
}

BOOST_AUTO_TEST_SUITE_END()
