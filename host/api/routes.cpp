#include "api/routes.hpp"

#include "api/openai_error.hpp"

namespace llorch::api {

const std::vector<Route>& routes() {
  static const std::vector<Route> kRoutes = {
      {"POST", "/execute", execute},
      {"POST", "/cancel", cancel},
      {"GET", "/health", health},
      {"GET", "/v1/models", models},
      {"POST", "/v1/completions", completions},
      {"POST", "/v1/chat/completions", chat_completions},
      {"POST", "/tokenize", tokenize},
      {"POST", "/detokenize", detokenize},
      {"GET", "/livez", livez},
      {"GET", "/readyz", readyz},
      {"GET", "/v2/health/live", livez},
      {"GET", "/v2/health/ready", readyz},
      {"GET", "/metrics", metrics},
      {"GET", "/openapi.json", openapi},
      {"GET", "/", page},
  };
  return kRoutes;
}

void fill(http::Router& router, Worker& worker) {
  const auto add = [&](std::string_view method, std::string_view path, auto handler) {
    router.add(std::string(method), std::string(path),
               [&worker, handler](const http::Request& request, http::Exchange& exchange) {
                 return handler(worker, request, exchange);
               });
  };
  for (const Route& route : routes())
    add(route.method, route.path, route.handler);
  add("GET", "/v1/models/" + worker.identity().model_name, model);
  router.error_body = [](unsigned status, std::string_view message) { return openai_error(status, message); };
}

}  // namespace llorch::api
