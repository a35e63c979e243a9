#include "app/ready_callback.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cmath>

#include "api/json_writer.hpp"
#include "api/random_id.hpp"
#include "http/client.hpp"

namespace llorch::app {
namespace {

constexpr std::chrono::milliseconds kAttemptDeadline{10'000};
constexpr double kFirstPause = 500;  // milliseconds
constexpr double kLongestPause = 30'000;

double uniform() {
  return static_cast<double>(api::random_seed() >> 11U) * 0x1p-53;
}

// What an attempt came to, for the log; empty after success.
std::string verdict(const Result<unsigned>& status) {
  if (status.has_error()) return status.error().message;
  return *status >= 200 && *status < 300 ? std::string() : "status " + std::to_string(*status);
}

}  // namespace

std::string ready_message(const api::Worker& worker, const std::string& uri) {
  const plugin::MemoryUse& memory = worker.memory();
  std::string out;
  api::JsonWriter(out)
      .begin_object()
      .member("worker_id", worker.identity().worker_id)
      .member("vram_bytes", memory.device_bytes)
      .member("uri", uri)
      .member("model", worker.identity().model_name)
      .member("plugin", worker.backend()->plugin)
      .member("ram_bytes", memory.total() - memory.device_bytes)
      .member("context", worker.backend()->engine->context_length())
      .end_object();
  return out;
}

std::string public_uri(const std::string& host, std::uint16_t port) {
  std::string name = host;
  if (host == "0.0.0.0" || host == "::") {
    std::array<char, 256> own{};
    if (::gethostname(own.data(), own.size() - 1) == 0) name = own.data();
  }
  if (name.find(':') != std::string::npos) name = "[" + name + "]";
  return "http://" + name + ":" + std::to_string(port);
}

std::chrono::milliseconds back_off(std::uint32_t attempt, double random) {
  const double pause = std::min(kLongestPause, kFirstPause * std::exp2(std::min(attempt, 16U) - 1.0));
  return std::chrono::milliseconds(static_cast<std::int64_t>(pause * (0.5 + random / 2)));
}

boost::asio::awaitable<void> announce_ready(const api::Worker& worker, std::string url, std::string uri) {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
  const std::string message = ready_message(worker, uri);
  for (std::uint32_t attempt = 1; worker.status() != api::Status::kDraining; ++attempt) {
    std::string target = url;  // named: GCC 12 destroys temporaries of a co_await expression twice
    std::string body = message;
    const Result<unsigned> status = co_await http::post_json(std::move(target), std::move(body), kAttemptDeadline);
    const std::string trouble = verdict(status);
    if (trouble.empty()) {
      spdlog::info("ready callback accepted by {}", url);
      co_return;
    }
    const std::chrono::milliseconds pause = back_off(attempt, uniform());
    spdlog::warn("ready callback to {} failed: {}; trying again in {} ms", url, trouble, pause.count());
    timer.expires_after(pause);
    co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }
}

}  // namespace llorch::app
