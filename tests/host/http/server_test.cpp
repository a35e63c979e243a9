// The listener: limits, exhausted descriptors, draining and stopping.
#include <sys/resource.h>

#include <boost/test/unit_test.hpp>
#include <memory>
#include <vector>

#include "server_fixture.hpp"

using namespace llorch::testing;
using llorch::http::ServerOptions;

BOOST_AUTO_TEST_SUITE(http_server)

BOOST_AUTO_TEST_CASE(a_port_in_use_and_a_wrong_address_are_errors_of_one_line) {
  HttpServer server;
  ServerOptions options;
  options.port = server.port();
  BOOST_TEST(HttpServer::error_of(options) ==
             "cannot listen on 127.0.0.1 port " + std::to_string(server.port()) + ": Address already in use");
  options.address = "localhost";
  BOOST_TEST(HttpServer::error_of(options) == "host: expected an IP address, found 'localhost'");
}

BOOST_AUTO_TEST_CASE(beyond_the_connection_limit_idle_ones_give_way_and_busy_ones_do_not) {
  ServerOptions options;
  options.max_connections = 2;
  HttpServer server(options);
  RawHttpClient idle(server.port());
  BOOST_TEST(idle.exchange(get_text("/health")).status == 200);
  RawHttpClient busy(server.port());
  busy.send(post_text("/wait", ""));
  BOOST_TEST(server.started.reaches(1));
  RawHttpClient third(server.port());
  third.send(post_text("/wait", ""));
  BOOST_TEST(server.started.reaches(2), "the idle connection made room");
  BOOST_TEST(idle.is_closed_by_server());
  RawHttpClient fourth(server.port());
  BOOST_TEST(fourth.read_response().status == 503);
  server.release();
  BOOST_TEST(busy.read_response().status == 200);
  BOOST_TEST(third.read_response().status == 200);
}

BOOST_AUTO_TEST_CASE(exhausted_descriptors_pause_accepting_and_it_recovers) {
  HttpServer server;
  RawHttpClient first(server.port());
  BOOST_TEST(first.exchange(get_text("/health")).status == 200);
  first.send(post_text("/wait", ""));  // busy, so it is not closed to make room
  BOOST_TEST(server.started.reaches(1));
  rlimit before{};
  BOOST_REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  auto waiting = std::make_unique<RawHttpClient>(server.port());  // may be accepted before the limit falls
  waiting->exchange(get_text("/health"));
  const int lowest_free = ::dup(0);
  ::close(lowest_free);
  // The client's socket takes the last descriptor, so the server's accept() finds none.
  const rlimit tight{static_cast<rlim_t>(lowest_free) + 1, before.rlim_max};
  BOOST_REQUIRE(::setrlimit(RLIMIT_NOFILE, &tight) == 0);
  RawHttpClient late(server.port());
  late.send(get_text("/health"));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  BOOST_REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  BOOST_TEST(late.read_response().status == 200);
  server.release();
  BOOST_TEST(first.read_response().status == 200, "the running request was not disturbed");
}

BOOST_AUTO_TEST_CASE(draining_refuses_new_connections_finishes_requests_and_answers_probes) {
  HttpServer server;
  RawHttpClient busy(server.port());
  busy.send(post_text("/wait", ""));
  RawHttpClient probe(server.port());
  BOOST_TEST(probe.exchange(get_text("/health")).status == 200);
  BOOST_TEST(server.started.reaches(1));
  server.drain();
  BOOST_CHECK_THROW(RawHttpClient(server.port()), std::runtime_error);
  BOOST_TEST(probe.exchange(get_text("/health")).status == 200);
  BOOST_TEST(probe.exchange(get_text("/health")).status == 200);
  server.release();
  const RawResponse response = busy.read_response();
  BOOST_TEST(response.status == 200);
  BOOST_TEST(response.header("connection") == "close");
  BOOST_TEST(probe.is_closed_by_server(), "nothing is left to wait for");
  busy.close();
  probe.close();
  BOOST_TEST(server.falls_to(0));
}

BOOST_AUTO_TEST_CASE(draining_closes_idle_connections_at_once_when_nothing_runs) {
  HttpServer server;
  RawHttpClient idle(server.port());
  BOOST_TEST(idle.exchange(get_text("/health")).status == 200);
  server.drain();
  BOOST_TEST(idle.is_closed_by_server());
}

BOOST_AUTO_TEST_CASE(stopping_ends_running_handlers) {
  HttpServer server;
  std::vector<std::unique_ptr<RawHttpClient>> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<RawHttpClient>(server.port()));
    clients.back()->send(post_text(i % 2 == 0 ? "/wait" : "/stream", ""));
  }
  BOOST_TEST(server.started.reaches(8));
  server.stop();
  BOOST_TEST(server.finished.reaches(8));
}

BOOST_AUTO_TEST_CASE(many_clients_come_go_and_abort_without_harm) {
  HttpServer server;
  for (int round = 0; round < 100; ++round) {
    std::vector<std::unique_ptr<RawHttpClient>> clients;
    clients.reserve(10);
    for (int i = 0; i < 10; ++i)
      clients.push_back(std::make_unique<RawHttpClient>(server.port()));
    for (std::size_t i = 0; i < clients.size(); ++i) {
      const std::string request = i % 3 == 0   ? post_text("/flood", "")
                                  : i % 3 == 1 ? get_text("/health")
                                               : post_text("/echo", "abc");
      clients[i]->send(request.substr(0, request.size() - (i % 4 == 3 ? 1 : 0)));
    }
    for (std::size_t i = 0; i < clients.size(); ++i) {
      if (i % 2 == 0) clients[i]->reset();
    }
  }
  RawHttpClient client(server.port());
  BOOST_TEST(client.exchange(get_text("/health")).status == 200);
  BOOST_TEST(server.falls_to(1));
}

BOOST_AUTO_TEST_SUITE_END()
