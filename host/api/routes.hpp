// Every route of the worker, in one table.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/handlers.hpp"
#include "http/router.hpp"

namespace llorch::api {

struct Route {
  std::string_view method, path;
  Answer (*handler)(Worker&, const http::Request&, http::Exchange&);
};

/// In the order of docs/api.md. GET /v1/models/<name> is added by fill() because its path depends on the model.
[[nodiscard]] const std::vector<Route>& routes();

/// Adds all routes, and the OpenAI error body for what the http room refuses by itself. `worker` outlives the router.
void fill(http::Router& router, Worker& worker);

}  // namespace llorch::api
