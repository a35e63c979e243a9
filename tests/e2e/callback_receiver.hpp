// What a ready callback is sent to: a socket on a free port, and who answers on it.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace llorch::testing {

struct ListeningSocket {
  ListeningSocket() : fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    BOOST_TEST_REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
    BOOST_TEST_REQUIRE(::listen(fd, 4) == 0);
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
  }
  ~ListeningSocket() { ::close(fd); }
  ListeningSocket(const ListeningSocket&) = delete;
  ListeningSocket& operator=(const ListeningSocket&) = delete;
  int fd;
  std::uint16_t port = 0;
};

/// Takes one connection after another, each answered with the next status; returns the requests.
inline std::vector<std::string> receive_callbacks(int listener, const std::vector<std::string>& statuses) {
  std::vector<std::string> requests;
  for (const std::string& status : statuses) {
    pollfd entry{listener, POLLIN, 0};
    if (::poll(&entry, 1, 60'000) <= 0) break;
    const int peer = ::accept(listener, nullptr, nullptr);
    std::string request;
    while (request.find('}') == std::string::npos) {
      std::array<char, 4096> buffer{};
      const ssize_t count = ::read(peer, buffer.data(), buffer.size());
      if (count <= 0) break;
      request.append(buffer.data(), static_cast<std::size_t>(count));
    }
    requests.push_back(request);
    const std::string answer = "HTTP/1.1 " + status + " x\r\nContent-Length: 0\r\n\r\n";
    BOOST_TEST(::write(peer, answer.data(), answer.size()) == static_cast<ssize_t>(answer.size()));
    ::close(peer);
  }
  return requests;
}

}  // namespace llorch::testing
