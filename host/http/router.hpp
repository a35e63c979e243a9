// Method and path to handler.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "http/exchange.hpp"

namespace llorch::http {

/// Filled at start-up, read-only afterwards. HEAD falls back to GET (body suppressed by the session); unknown path 404,
/// known path with another method 405 with Allow; OPTIONS 204 with Allow.
class Router {
 public:
  void add(std::string method, std::string path, Handler handler);
  [[nodiscard]] const Handler* find(std::string_view method, std::string_view path) const;
  /// Comma-separated methods of a path; empty when the path is unknown.
  [[nodiscard]] std::string allowed(std::string_view path) const;
  /// Body of errors the http room itself answers (404, 405, 408, 413, 431, ...): content type and text, given by the
  /// api room.
  std::function<Response(unsigned status, std::string_view message)> error_body;

 private:
  std::map<std::string, std::map<std::string, Handler, std::less<>>, std::less<>> routes_;
};

}  // namespace llorch::http
