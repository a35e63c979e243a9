// Clients that go away, or only half away, while their request is being worked on.
#include <boost/test/unit_test.hpp>

#include "server_fixture.hpp"

using namespace llorch::testing;
using std::chrono::milliseconds;

BOOST_AUTO_TEST_SUITE(http_disconnect)

BOOST_AUTO_TEST_CASE(a_half_closed_client_gets_its_whole_answer) {
  HttpServer server;
  RawHttpClient client(server.port());
  client.send(post_text("/wait", ""));
  client.half_close();
  BOOST_TEST(server.started.reaches(1));
  std::this_thread::sleep_for(milliseconds(900));  // long enough for several probes
  BOOST_TEST(server.disconnected.value() == 0);
  server.release();
  const RawResponse response = client.read_response();
  BOOST_TEST(response.status == 200);
  BOOST_TEST(response.body == "waited");
  BOOST_TEST(client.interim_responses() > 0U);
  BOOST_TEST(client.is_closed_by_server());
}

BOOST_AUTO_TEST_CASE(a_half_closed_client_with_a_quick_answer_sees_no_interim_response) {
  HttpServer server;
  RawHttpClient client(server.port());
  client.send(post_text("/echo", "quick"));
  client.half_close();
  BOOST_TEST(client.read_response().body == "quick");
  BOOST_TEST(client.interim_responses() == 0U);
}

BOOST_AUTO_TEST_CASE(a_half_closed_client_gets_its_whole_stream) {
  HttpServer server;
  RawHttpClient client(server.port());
  client.send(post_text("/stream", ""));
  client.half_close();
  BOOST_TEST(server.started.reaches(1));
  std::this_thread::sleep_for(milliseconds(900));
  BOOST_TEST(server.disconnected.value() == 0);
  server.release();
  const RawResponse response = client.read_response();
  BOOST_TEST(response.complete);
  BOOST_TEST(response.body.starts_with("event: started\ndata: {}\n\n"), response.body);
  BOOST_TEST(response.body.ends_with("\ndata: [DONE]\n\n"), response.body);
  // Probes are empty lines between events.
  BOOST_TEST(response.body.find_first_not_of('\n', 25) == response.body.find("data: [DONE]"), response.body);
}

BOOST_AUTO_TEST_CASE(pipelined_requests_of_a_half_closed_client_are_all_answered) {
  HttpServer server;
  RawHttpClient client(server.port());
  client.send(post_text("/wait", "") + get_text("/echo?second") + get_text("/echo?third"));
  client.half_close();
  BOOST_TEST(server.started.reaches(1));
  server.release();
  BOOST_TEST(client.read_response().body == "waited");
  BOOST_TEST(client.read_response().body == "second");
  BOOST_TEST(client.read_response().body == "third");
}

BOOST_AUTO_TEST_CASE(a_reset_is_noticed_once) {
  HttpServer server;
  for (const char* path : {"/wait", "/stream"}) {
    RawHttpClient client(server.port());
    const int before = server.started.value();
    client.send(post_text(path, ""));
    BOOST_TEST(server.started.reaches(before + 1), path);
    client.reset();
    BOOST_TEST(server.disconnected.reaches(before + 1), path);
    BOOST_TEST(server.finished.reaches(before + 1), path);
  }
  BOOST_TEST(server.disconnected.value() == 2);
}

BOOST_AUTO_TEST_CASE(a_close_before_the_answer_is_noticed) {
  HttpServer server;
  RawHttpClient client(server.port());
  client.send(post_text("/wait", ""));
  BOOST_TEST(server.started.reaches(1));
  client.close();
  BOOST_TEST(server.disconnected.reaches(1));
  BOOST_TEST(server.finished.reaches(1));
}

// The bound guards against the doubling distances of later probes (up to 4 s), not against a slow machine.
BOOST_AUTO_TEST_CASE(a_close_long_after_an_early_next_request_is_noticed_soon) {
  HttpServer server;
  RawHttpClient client(server.port());
  client.send(post_text("/wait", "") + "GET /echo");
  BOOST_TEST(server.started.reaches(1));
  std::this_thread::sleep_for(milliseconds(1200));
  const auto begin = std::chrono::steady_clock::now();
  client.close();
  BOOST_TEST(server.disconnected.reaches(1));
  BOOST_TEST((std::chrono::steady_clock::now() - begin < milliseconds(1500)));
}

BOOST_AUTO_TEST_CASE(a_close_during_a_silent_stream_is_noticed) {
  HttpServer server;
  RawHttpClient client(server.port());
  client.send(post_text("/stream", ""));
  client.read_until("\n\n");
  BOOST_TEST(server.started.reaches(1));
  client.close();
  BOOST_TEST(server.disconnected.reaches(1));
  BOOST_TEST(server.finished.reaches(1));
}

BOOST_AUTO_TEST_CASE(a_close_during_a_busy_stream_ends_its_writes) {
  HttpServer server;
  RawHttpClient client(server.port());
  client.send(post_text("/flood", ""));
  client.read_until("\n\n");
  client.close();
  BOOST_TEST(server.finished.reaches(1), "write() returned false");
}

BOOST_AUTO_TEST_CASE(a_client_that_half_closes_first_and_leaves_later_is_noticed) {
  HttpServer server;
  RawHttpClient client(server.port());
  client.send(post_text("/wait", ""));
  client.half_close();
  BOOST_TEST(server.started.reaches(1));
  std::this_thread::sleep_for(milliseconds(200));
  BOOST_TEST(server.disconnected.value() == 0);
  client.close();
  BOOST_TEST(server.disconnected.reaches(1));
}

BOOST_AUTO_TEST_CASE(a_close_behind_a_pipelined_request_is_noticed) {
  HttpServer server;
  RawHttpClient client(server.port());
  client.send(post_text("/wait", "") + post_text("/smuggled", std::string(100'000, 'x')));
  BOOST_TEST(server.started.reaches(1));
  client.close();
  BOOST_TEST(server.disconnected.reaches(1));
  BOOST_TEST(server.finished.reaches(1));
  BOOST_TEST(server.smuggled.value() == 0, "nobody is there for the second answer");
}

BOOST_AUTO_TEST_CASE(no_callback_comes_after_the_handler_returned) {
  HttpServer server;
  {
    RawHttpClient client(server.port());
    client.send(post_text("/wait", ""));
    BOOST_TEST(server.started.reaches(1));
    server.release();
    BOOST_TEST(client.read_response().status == 200);
  }
  BOOST_TEST(server.falls_to(0));
  BOOST_TEST(server.disconnected.value() == 0);
}

BOOST_AUTO_TEST_SUITE_END()
