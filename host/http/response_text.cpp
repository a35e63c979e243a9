#include "http/response_text.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <boost/beast/http/status.hpp>
#include <cstdint>
#include <ctime>
#include <random>

namespace llorch::http {
namespace {

// IMF-fixdate of RFC 9110 section 5.6.7, in English whatever the locale; made once a second.
std::string_view date_now() {
  static thread_local std::time_t last = 0;
  static thread_local std::string text;
  const std::time_t now = std::time(nullptr);
  if (now != last || text.empty()) {
    constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    std::tm utc{};
    gmtime_r(&now, &utc);
    text = fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[static_cast<std::size_t>(utc.tm_wday)],
                       utc.tm_mday, kMonths[static_cast<std::size_t>(utc.tm_mon)], utc.tm_year + 1900, utc.tm_hour,
                       utc.tm_min, utc.tm_sec);
    last = now;
  }
  return text;
}

std::string_view reason(unsigned status) {
  const auto text = boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(status));
  return {text.data(), text.size()};
}

bool is_safe_header(std::string_view name, std::string_view value) {
  const auto name_ok = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_'; };
  const auto value_ok = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7F);
  };
  return !name.empty() && std::all_of(name.begin(), name.end(), name_ok) &&
         std::all_of(value.begin(), value.end(), value_ok);
}

}  // namespace

std::string response_head(const ResponseHead& head) {
  std::string text = fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\n", head.status, reason(head.status), date_now());
  const auto add = [&text](std::string_view name, std::string_view value) {
    text.append(name).append(": ").append(value).append("\r\n");
  };
  if (!head.content_type.empty()) add("Content-Type", head.content_type);
  if (head.chunked) add("Transfer-Encoding", "chunked");
  if (head.content_length) add("Content-Length", std::to_string(*head.content_length));
  if (!head.keep_alive) add("Connection", "close");
  if (!head.request_id.empty()) add("X-Request-Id", head.request_id);
  if (head.headers != nullptr) {
    for (const auto& [name, value] : *head.headers) {
      if (is_safe_header(name, value)) {
        add(name, value);
      } else {
        spdlog::error("http: a response header was left out because it holds characters that break a head");
      }
    }
  }
  return text + "\r\n";
}

std::string chunk(std::string_view bytes) {
  std::string text = fmt::format("{:x}\r\n", bytes.size());
  text.reserve(text.size() + bytes.size() + 2);
  return text.append(bytes).append("\r\n");
}

std::string accept_or_make_request_id(std::optional<std::string_view> given) {
  constexpr std::size_t kLongest = 64;
  const auto allowed = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == ':' || c == '-';
  };
  if (given && !given->empty() && given->size() <= kLongest && std::all_of(given->begin(), given->end(), allowed)) {
    return std::string(*given);
  }
  static thread_local std::mt19937_64 random{std::random_device{}()};
  return fmt::format("{:016x}{:016x}", random(), random());
}

}  // namespace llorch::http
