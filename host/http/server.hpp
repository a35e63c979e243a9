// Listener and its sessions on one io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "http/router.hpp"

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

/// [io-thread] only, apart from create().
class Server {
 public:
  static Result<std::unique_ptr<Server>> create(boost::asio::io_context& io, const Router& router,
                                                const ServerOptions& options);
  virtual ~Server() = default;
  [[nodiscard]] virtual std::uint16_t port() const = 0;
  virtual void start() = 0;
  /// Stops accepting; idle connections close, busy ones finish their request and close. Health probes on open
  /// connections still answer.
  virtual void drain() = 0;
  [[nodiscard]] virtual std::size_t open_connections() const = 0;
  /// Closes everything now.
  virtual void stop() = 0;
};

}  // namespace llorch::http
