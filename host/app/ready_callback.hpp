// Tells the orchestrator that the worker can serve, and keeps trying until it has heard.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <string>

#include "api/worker.hpp"
#include "config/config.hpp"

namespace llorch::app {

/// {"worker_id","vram_bytes","uri",...} as the callback's receiver gets it.
[[nodiscard]] std::string ready_message(const api::Worker& worker, const std::string& uri);

/// http://host:port under which others reach a server bound to `host`; a wildcard becomes this machine's name.
[[nodiscard]] std::string public_uri(const std::string& host, std::uint16_t port);

/// Pause before attempt `attempt` (1 is the first retry): doubles from half a second up to 30 s, each drawn at random
/// from the upper half so that a fleet does not knock in step. `random` is uniform in [0, 1).
[[nodiscard]] std::chrono::milliseconds back_off(std::uint32_t attempt, double random);

/// POSTs the message until a 2xx answer comes or the worker drains. Never throws for a bad peer. [io-thread]
boost::asio::awaitable<void> announce_ready(const api::Worker& worker, std::string url, std::string uri);

}  // namespace llorch::app
