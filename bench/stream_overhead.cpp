// What the host adds to a streamed token: from the engine's callback over the event channel, JSON and HTTP to the
// client's socket, on an engine that computes nothing. CPU time of the process, the client's reading included.
//
//     stream_overhead [tokens]        prints microseconds a token, for tokens that come one by one and in a burst
#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "api/routes.hpp"
#include "http/server.hpp"
#include "support/fake_engine.hpp"
#include "support/raw_http_client.hpp"

namespace {

using namespace llorch;  // NOLINT(google-build-using-namespace)

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::size_t count_tokens(const std::string& bytes) {
  std::size_t count = 0;
  for (std::size_t at = bytes.find("event: token"); at != std::string::npos; at = bytes.find("event: token", at + 1)) {
    ++count;
  }
  return count;
}

// `one_by_one`: each token is sent when the client has seen the one before, as with a model slower than the host.
void measure(std::uint16_t port, testing::FakeEngine& engine, std::size_t tokens, bool one_by_one) {
  testing::RawHttpClient client(port);
  const std::string body = R"({"job_id":"b","prompt":"x","max_tokens":5})";
  client.send("POST /execute HTTP/1.1\r\nHost: b\r\nConnection: close\r\nContent-Length: " +
              std::to_string(body.size()) + "\r\n\r\n" + body);
  client.read_until("\r\n\r\n");  // the job has been accepted
  const double cpu = cpu_seconds();
  const auto begin = std::chrono::steady_clock::now();
  std::size_t seen = 0;
  constexpr std::size_t kBurst = 64;
  for (std::size_t sent = 0; sent < tokens;) {
    const std::size_t end = one_by_one ? sent + 1 : std::min(tokens, sent + kBurst);
    for (; sent < end; ++sent)
      engine.token("b", " token");
    while (seen < sent)
      seen += count_tokens(client.read_some());
  }
  const double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const double used = cpu_seconds() - cpu;
  engine.finish("b");
  client.read_to_end();
  std::printf("%-10s %6.2f us CPU, %6.2f us wall a token\n", one_by_one ? "one by one" : "bursts",
              used / static_cast<double>(tokens) * 1e6, wall / static_cast<double>(tokens) * 1e6);
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t tokens = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 20'000;
  testing::WorkerFixture fixture;
  http::Router router;
  api::fill(router, fixture.worker);
  http::ServerOptions options;
  options.port = 0;
  auto server = http::Server::create(fixture.io, router, options).value();
  server->start();
  auto work = boost::asio::make_work_guard(fixture.io);
  std::thread io([&] { fixture.io.run(); });
  measure(server->port(), *fixture.engine, tokens, true);
  measure(server->port(), *fixture.engine, tokens, false);
  boost::asio::post(fixture.io, [&] { server->stop(); });
  work.reset();
  io.join();
}
