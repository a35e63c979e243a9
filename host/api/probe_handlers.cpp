// GET /health, /livez, /readyz and their kin, /metrics: always answered at once, whatever the model does.
#include <cmath>

#include "api/handlers.hpp"
#include "api/json_writer.hpp"

namespace llorch::api {
namespace {

http::Response text(unsigned status, std::string body) {
  http::Response response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::move(body);
  return response;
}

// Why a request would not be served now; empty when it would be.
std::string not_ready_because(const Worker& worker) {
  if (worker.status() != Status::kReady) return std::string(to_string(worker.status()));
  const Backend& backend = *worker.backend();
  const engine::Stats stats = backend.engine->stats();
  if (stats.running + stats.waiting >= backend.capacity) return "queue full";
  return {};
}

}  // namespace

Answer health(Worker& worker, const http::Request&, http::Exchange& exchange) {
  http::Response response;
  response.status = worker.status() == Status::kReady ? 200 : 503;
  const plugin::MemoryUse& memory = worker.memory();
  JsonWriter json(response.body);
  json.begin_object()
      .member("status", to_string(worker.status()))
      .member("vram_bytes", memory.device_bytes)
      .member("ram_bytes", memory.total() - memory.device_bytes)
      .member("model", worker.identity().model_name);
  json.key("plugin");
  if (const auto& backend = worker.backend()) {
    json.value(backend->plugin)
        .member("device", backend->device)
        .member("device_name", backend->device_name)
        .member("context", backend->engine->context_length());
  } else {
    json.value(nullptr);
  }
  json.member("worker_id", worker.identity().worker_id)
      .member("version", worker.identity().version)
      .member("uptime_seconds", std::round(worker.uptime_seconds() * 1000) / 1000)
      .end_object();
  if (response.status == 503) response.headers.emplace_back("Retry-After", "1");
  co_await exchange.respond(std::move(response));
}

Answer livez(Worker&, const http::Request&, http::Exchange& exchange) {
  http::Response response = text(200, "ok\n");
  co_await exchange.respond(std::move(response));
}

Answer readyz(Worker& worker, const http::Request&, http::Exchange& exchange) {
  const std::string reason = not_ready_because(worker);
  http::Response response = reason.empty() ? text(200, "ok\n") : text(503, reason + "\n");
  co_await exchange.respond(std::move(response));
}

Answer metrics(Worker& worker, const http::Request&, http::Exchange& exchange) {
  const engine::Stats stats = worker.backend() ? worker.backend()->engine->stats() : engine::Stats{};
  http::Response response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = worker.metrics().expose(stats, worker.uptime_seconds(), worker.status() == Status::kReady);
  co_await exchange.respond(std::move(response));
}

}  // namespace llorch::api
