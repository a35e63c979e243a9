// A client that sends exactly the bytes it is told to, for tests of framing, pipelining and rude endings.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace llorch::testing {

struct RawResponse {
  unsigned status = 0;                         ///< 0: the connection ended before a whole response came
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::string body;                            ///< chunks joined
  bool complete = false;                       ///< the body arrived up to its end

  /// The header's value, or "".
  [[nodiscard]] std::string header(const std::string& lower_case_name) const {
    const auto found = headers.find(lower_case_name);
    return found == headers.end() ? std::string() : found->second;
  }
};

/// Blocking, with a bound on every wait so that a defect of the server fails a test instead of hanging it.
class RawHttpClient {
 public:
  /// `receive_buffer`: bytes of the kernel's receive buffer, 0 for the default (small ones make slow readers felt
  /// soon).
  explicit RawHttpClient(std::uint16_t port, int receive_buffer = 0) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    if (fd_ < 0) throw std::runtime_error("socket");
    if (receive_buffer > 0) ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      ::close(fd_);
      throw std::runtime_error("connect");
    }
  }
  ~RawHttpClient() { close(); }
  RawHttpClient(const RawHttpClient&) = delete;
  RawHttpClient& operator=(const RawHttpClient&) = delete;

  /// False when the server ended the connection before it took everything.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      if (!wait(POLLOUT)) return false;
      const ssize_t count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count < 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }

  /// Says that nothing more is sent; still reads.
  void half_close() { ::shutdown(fd_, SHUT_WR); }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  /// Ends the connection with a reset.
  void reset() {
    const linger now{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }

  /// Up to `limit` bytes; empty at the end of the connection or when nothing comes for the patience.
  std::string read_some(std::size_t limit = 65536) {
    if (!wait(POLLIN)) return {};
    std::string bytes(limit, '\0');
    const ssize_t count = ::recv(fd_, bytes.data(), bytes.size(), 0);
    bytes.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return bytes;
  }

  /// All bytes up to the end of the connection.
  std::string read_to_end() {
    std::string all = std::exchange(buffer_, {});
    for (std::string more = read_some(); !more.empty(); more = read_some())
      all += more;
    return all;
  }

  /// True when the server closes (or resets) without sending anything more.
  bool is_closed_by_server() { return buffer_.empty() && wait(POLLIN) && read_some().empty(); }

  /// The bytes up to and including `end`, or what came before the connection's end.
  std::string read_until(std::string_view end) {
    std::size_t found = buffer_.find(end);
    while (found == std::string::npos) {
      const std::string more = read_some();
      if (more.empty()) return std::exchange(buffer_, {});
      buffer_ += more;
      found = buffer_.find(end);
    }
    std::string bytes = buffer_.substr(0, found + end.size());
    buffer_.erase(0, found + end.size());
    return bytes;
  }

  /// One response; interim ones (1xx) are skipped and counted. `has_body`: false after HEAD.
  RawResponse read_response(bool has_body = true) {
    RawResponse response;
    for (;;) {
      response = read_head();
      if (response.status < 100 || response.status >= 200) break;
      ++interim_responses_;
    }
    if (response.status == 0) return response;
    if (!has_body || response.status == 204) {
      response.complete = true;
    } else if (response.headers.contains("transfer-encoding")) {
      read_chunks(response);
    } else if (const auto length = response.headers.find("content-length"); length != response.headers.end()) {
      const std::size_t size = std::strtoul(length->second.c_str(), nullptr, 10);
      response.body = read_exactly(size);
      response.complete = response.body.size() == size;
    } else {
      response.body = read_to_end();
      response.complete = true;
    }
    return response;
  }

  RawResponse exchange(std::string_view request) {
    send(request);
    return read_response();
  }

  [[nodiscard]] unsigned interim_responses() const { return interim_responses_; }
  void set_patience(std::chrono::milliseconds patience) { patience_ = patience; }

 private:
  bool wait(short events) const {
    pollfd entry{fd_, events, 0};
    return ::poll(&entry, 1, static_cast<int>(patience_.count())) > 0;
  }

  std::string read_exactly(std::size_t size) {
    while (buffer_.size() < size) {
      const std::string more = read_some();
      if (more.empty()) break;
      buffer_ += more;
    }
    std::string bytes = buffer_.substr(0, size);
    buffer_.erase(0, bytes.size());
    return bytes;
  }

  RawResponse read_head() {
    RawResponse response;
    const std::string head = read_until("\r\n\r\n");
    if (!head.starts_with("HTTP/1.1 ") || !head.ends_with("\r\n\r\n")) return response;
    response.status = static_cast<unsigned>(std::strtoul(head.c_str() + 9, nullptr, 10));
    for (std::size_t begin = head.find("\r\n") + 2; begin + 2 < head.size();) {
      const std::size_t end = head.find("\r\n", begin);
      const std::size_t colon = head.find(": ", begin);
      std::string name = head.substr(begin, colon - begin);
      for (char& c : name)
        c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
      response.headers[name] = head.substr(colon + 2, end - colon - 2);
      begin = end + 2;
    }
    return response;
  }

  void read_chunks(RawResponse& response) {
    for (;;) {
      const std::string line = read_until("\r\n");
      if (!line.ends_with("\r\n")) return;
      const std::size_t size = std::strtoul(line.c_str(), nullptr, 16);
      const std::string data = read_exactly(size + 2);
      if (data.size() != size + 2) return;
      if (size == 0) break;
      response.body += data.substr(0, size);
    }
    response.complete = true;
  }

  int fd_;
  std::string buffer_;
  unsigned interim_responses_ = 0;
  std::chrono::milliseconds patience_{10'000};
};

}  // namespace llorch::testing
