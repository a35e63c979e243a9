// A real server on a free port, its I/O thread, and routes that show what the session does.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "http/server_options.hpp"
#include "support/raw_http_client.hpp"

namespace llorch::testing {

/// Counted from the I/O thread, waited for from the test's: no sleeps, and a bound against hangs.
class Counter {
 public:
  void add() {
    ++count_;
    count_.notify_all();
  }
  [[nodiscard]] int value() const { return count_; }
  /// True as soon as the count reaches `wanted`; false after ten seconds.
  [[nodiscard]] bool reaches(int wanted) const {
    for (int i = 0; i < 10'000 && count_ < wanted; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return count_ >= wanted;
  }

 private:
  std::atomic<int> count_{0};
};

/// What the handlers count.
struct HandlerCounts {
  Counter started, finished, disconnected, smuggled;
  std::atomic<std::size_t> flooded{0};  ///< bytes that /flood could write
};

/// Routes: GET /health, GET /echo (its query), POST /echo (its body), POST /smuggled (counts), POST /wait (answers when
/// release() is called or the client is gone), POST /stream (begins a stream, then waits the same way), POST /flood
/// (writes until the client is gone), GET /throw, GET /mute (returns without an answer), POST /cut (throws mid-stream).
class HttpServer : public HandlerCounts {
 public:
  explicit HttpServer(http::ServerOptions options = {});
  ~HttpServer();  ///< returns only when every session and handler has ended
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  /// Lets every handler that waits go on.
  void release();
  void drain();
  void stop();
  [[nodiscard]] std::size_t open_connections();
  /// True as soon as at most `count` connections are open; false after ten seconds.
  [[nodiscard]] bool falls_to(std::size_t count);
  /// The message of making a second server with these options, "" if that works.
  [[nodiscard]] static std::string error_of(const http::ServerOptions& options);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

inline std::string get_text(const std::string& path, const std::string& more = "") {
  return "GET " + path + " HTTP/1.1\r\nHost: h\r\n" + more + "\r\n";
}
inline std::string post_text(const std::string& path, const std::string& body, const std::string& more = "") {
  return "POST " + path + " HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + more +
         "\r\n" + body;
}

}  // namespace llorch::testing
