// What every generating route does before it generates: is the worker serving, what does the request say, is it sound?
#pragma once

#include <spdlog/spdlog.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/fields.hpp"
#include "api/worker.hpp"
#include "http/exchange.hpp"

namespace llorch::api {

/// Where a body is read: by its size, or always away from the I/O thread.
enum class Where : std::uint8_t { kBySize, kPool };

/// How a route words its refusals.
struct Refusals {
  http::Response (*not_serving)(Status status);
  http::Response (*faults)(const std::vector<Fault>& faults);
};

/// A request that was read and found sound, and the model that it is for.
template <class Prepared>
struct Admitted {
  std::shared_ptr<const Backend> backend;
  Prepared prepared;
};

/// Reads the body with `prepare` [any-thread], away from the I/O thread when it is large. Empty when the request was
/// answered with a refusal. `Prepared` has a member `parsed`, a Parsed<...>. Rejections are counted, ignored fields are
/// logged under the request's id. [io-thread]
template <class Prepared>
boost::asio::awaitable<std::optional<Admitted<Prepared>>> admit(Worker& worker, const http::Request& request,
                                                                http::Exchange& exchange,
                                                                Prepared (*prepare)(const std::string&, const Backend&),
                                                                Refusals refusals, Where where = Where::kBySize) {
  const Status status = worker.status();
  if (status == Status::kLoading || status == Status::kDraining) {
    worker.metrics().rejected(Rejection::kUnavailable);
    http::Response refusal = refusals.not_serving(status);
    co_await exchange.respond(std::move(refusal));
    co_return std::nullopt;
  }
  const std::shared_ptr<const Backend> backend = worker.backend();
  const std::string& body = request.body;
  const auto work = [&body, backend, prepare] { return prepare(body, *backend); };
  Prepared prepared = co_await worker.run(where == Where::kPool ? Worker::kAnySize : body.size(), work);
  for (const std::string& name : prepared.parsed.ignored)
    spdlog::info("{}: field {} ignored", request.id, name);
  if (!prepared.parsed.faults.empty()) {
    worker.metrics().rejected(Rejection::kInvalid);
    http::Response refusal = refusals.faults(prepared.parsed.faults);
    co_await exchange.respond(std::move(refusal));
    co_return std::nullopt;
  }
  co_return Admitted<Prepared>{backend, std::move(prepared)};
}

}  // namespace llorch::api
