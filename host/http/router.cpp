#include "http/router.hpp"

namespace llorch::http {

void Router::add(std::string method, std::string path, Handler handler) {
  routes_[std::move(path)][std::move(method)] = std::move(handler);
}

const Handler* Router::find(std::string_view method, std::string_view path) const {
  const auto route = routes_.find(path);
  if (route == routes_.end()) return nullptr;
  const auto& methods = route->second;
  auto handler = methods.find(method);
  if (handler == methods.end() && method == "HEAD") handler = methods.find("GET");
  return handler == methods.end() ? nullptr : &handler->second;
}

std::string Router::allowed(std::string_view path) const {
  if (path == "*") return "GET, HEAD, OPTIONS, POST";
  const auto route = routes_.find(path);
  if (route == routes_.end()) return {};
  std::string methods;
  for (const auto& [method, handler] : route->second) {
    methods += method + ", ";
    if (method == "GET" && !route->second.contains("HEAD")) methods += "HEAD, ";
  }
  return methods + "OPTIONS";
}

}  // namespace llorch::http
