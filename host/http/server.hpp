// Listener and its sessions on one io_context.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/result.hpp"
#include "http/router.hpp"
#include "http/server_options.hpp"

namespace llorch::http {

/// [io-thread] only, apart from create().
class Server {
 public:
  static Result<std::unique_ptr<Server>> create(boost::asio::io_context& io, const Router& router,
                                                const ServerOptions& options);
  virtual ~Server() = default;
  [[nodiscard]] virtual std::uint16_t port() const = 0;
  virtual void start() = 0;
  /// Closes the listener. Busy connections finish their request and close. While any is busy, the others stay open, so
  /// that a probe on one of them still learns the state; once nothing is busy they close.
  virtual void drain() = 0;
  [[nodiscard]] virtual std::size_t open_connections() const = 0;
  /// Closes everything now.
  virtual void stop() = 0;
};

}  // namespace llorch::http
