#include "base/url.hpp"

#include <algorithm>
#include <charconv>

namespace llorch {
namespace {

Error bad_url(const char* what) {
  return make_error(ErrorCode::kInvalidArgument, std::string("URL: ") + what + " (expected http://host[:port]/path)");
}

Result<std::uint16_t> parse_port(std::string_view text) {
  unsigned port = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, port);
  if (parsed.ec != std::errc() || parsed.ptr != end || port == 0 || port > 65535) {
    return bad_url("the port must be 1 to 65535");
  }
  return static_cast<std::uint16_t>(port);
}

}  // namespace

Result<Url> parse_url(std::string_view url) {
  if (url.starts_with("https://")) {
    return make_error(ErrorCode::kUnsupported, "URL: https is not supported, only http:// (use a local proxy for TLS)");
  }
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) return bad_url("it does not begin with http://");
  url.remove_prefix(kScheme.size());
  const auto visible = [](char c) { return c > 0x20 && c < 0x7F; };
  if (!std::all_of(url.begin(), url.end(), visible)) return bad_url("it holds white space or characters beyond ASCII");
  const std::size_t end = std::min(url.find_first_of("/?#"), url.size());
  Url result;
  result.authority = url.substr(0, end);
  result.target = url.substr(end, url.find('#') == std::string_view::npos ? url.size() : url.find('#') - end);
  if (!result.target.starts_with('/')) result.target.insert(result.target.begin(), '/');
  std::string_view host = result.authority;
  if (host.find('@') != std::string_view::npos) return bad_url("user information is not accepted");
  const std::size_t bracket = host.starts_with('[') ? host.find(']') : 0;
  if (bracket == std::string_view::npos) return bad_url("'[' without ']'");
  if (const std::size_t colon = host.find(':', bracket); colon != std::string_view::npos) {
    auto port = parse_port(host.substr(colon + 1));
    if (!port) return port.error();
    result.port = *port;
    host = host.substr(0, colon);
  }
  if (bracket > 0) {
    if (host.back() != ']') return bad_url("characters between ']' and the port");
    host = host.substr(1, host.size() - 2);
  }
  if (host.empty()) return bad_url("no host");
  result.host = host;
  return result;
}

}  // namespace llorch
