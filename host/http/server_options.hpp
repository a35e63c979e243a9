// What a server can be told.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace llorch::http {

struct ServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080;  ///< 0 picks a free one
  std::size_t max_header_bytes = 8 * 1024;
  std::size_t max_body_bytes = 4 * 1024 * 1024;
  std::chrono::milliseconds request_deadline{30'000};     ///< header and body, total; bytes do not extend it
  std::chrono::milliseconds keep_alive_deadline{75'000};  ///< idle between requests
  std::chrono::milliseconds write_deadline{30'000};       ///< one write to a peer that does not read
  std::size_t max_connections = 1024;
  std::string api_key;  ///< empty: no authorization (probes are always open)
};

}  // namespace llorch::http
