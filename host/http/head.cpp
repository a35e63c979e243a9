#include "http/head.hpp"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "http/target.hpp"

namespace llorch::http {
namespace {

bool is_token_char(char c) {  // RFC 9110 section 5.6.2
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
  return std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

bool is_control(char c) {
  const auto byte = static_cast<std::uint8_t>(c);
  return byte < 0x20 || byte == 0x7F;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

std::vector<std::string> list_of(std::string_view value) {
  std::vector<std::string> items;
  for (std::size_t begin = 0; begin <= value.size();) {
    const std::size_t end = std::min(value.find(',', begin), value.size());
    items.push_back(lower(trim(value.substr(begin, end - begin))));
    begin = end + 1;
  }
  return items;
}

Parsed<void> parse_request_line(std::string_view line, Head& head) {
  const std::size_t first = line.find(' ');
  const std::size_t second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos || line.find(' ', second + 1) != std::string_view::npos) {
    return bad_request("request line: expected 'METHOD target HTTP/1.1' with single spaces");
  }
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, second - first - 1);
  const std::string_view version = line.substr(second + 1);
  constexpr std::size_t kLongestMethod = 32;
  if (!is_token(method) || method.size() > kLongestMethod)
    return bad_request("request line: the method is not a token");
  const auto visible = [](char c) { return c > 0x20 && c < 0x7F; };
  if (target.empty() || !std::all_of(target.begin(), target.end(), visible)) {
    return bad_request("request line: the target must be visible ASCII");
  }
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (version.size() != 8 || !version.starts_with("HTTP/") || !digit(version[5]) || version[6] != '.' ||
      !digit(version[7])) {
    return bad_request("request line: expected HTTP/1.1 or HTTP/1.0 as the version");
  }
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return Fault{505, "only HTTP/1.1 and HTTP/1.0 are spoken here"};
  auto parsed = parse_target(method, target);
  if (!parsed) return parsed.error();
  head.method = method;
  head.path = std::move(parsed->path);
  head.query = std::move(parsed->query);
  head.minor_version = version[7] == '1' ? 1 : 0;
  return {};
}

Parsed<void> parse_header_line(std::string_view line, Head& head) {
  if (line.front() == ' ' || line.front() == '\t') return bad_request("header: folded lines are not accepted");
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return bad_request("header: expected 'name: value'");
  const std::string_view name = line.substr(0, colon);
  if (!is_token(name)) return bad_request("header: the name must be a token, directly followed by ':'");
  head.headers.emplace_back(lower(name), trim(line.substr(colon + 1)));
  return {};
}

Parsed<void> check_host(const Head& head) {
  const auto is_host = [](const auto& header) { return header.first == "host"; };
  const auto count = std::count_if(head.headers.begin(), head.headers.end(), is_host);
  if (count > 1 || (count == 0 && head.minor_version == 1)) {
    return bad_request("header host: expected exactly one, found " + std::to_string(count));
  }
  if (count == 0) return {};
  const std::string& value = std::find_if(head.headers.begin(), head.headers.end(), is_host)->second;
  if (value.find_first_of(" \t,/\\@?#\"<>{}|^`") != std::string::npos) {
    return bad_request("header host: expected host[:port]");
  }
  return {};
}

Parsed<void> read_content_length(std::string_view value, Head& head) {
  if (head.content_length) return bad_request("header content-length: given more than once");
  if (value.empty() || value.find_first_not_of("0123456789") != std::string_view::npos) {
    return bad_request("header content-length: expected one decimal number");
  }
  constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t length = 0;
  for (const char c : value) {
    const auto digit = static_cast<std::uint64_t>(c - '0');
    length = length > (kMax - digit) / 10 ? kMax : length * 10 + digit;
    if (length == kMax) break;
  }
  head.content_length = length;
  return {};
}

// RFC 9112 section 6.1: chunked comes last and once. Other codings are legal but not spoken here.
Parsed<void> check_codings(const std::vector<std::string>& codings, Head& head) {
  if (codings.empty()) return {};
  if (head.minor_version == 0) return bad_request("header transfer-encoding: not allowed on HTTP/1.0");
  if (head.content_length) return bad_request("header transfer-encoding: not allowed together with content-length");
  if (codings.back() != "chunked") return bad_request("header transfer-encoding: must end in chunked");
  if (std::count(codings.begin(), codings.end(), "chunked") > 1) {
    return bad_request("header transfer-encoding: chunked given more than once");
  }
  if (codings.size() > 1) return Fault{501, "header transfer-encoding: only chunked is spoken here"};
  head.chunked = true;
  return {};
}

Parsed<void> apply_headers(Head& head) {
  head.keep_alive = head.minor_version == 1;
  std::vector<std::string> codings;
  unsigned expectations = 0;
  for (const auto& [name, value] : head.headers) {
    if (name == "content-length") {
      if (auto done = read_content_length(value, head); !done) return done.error();
    } else if (name == "transfer-encoding") {
      const auto items = list_of(value);
      codings.insert(codings.end(), items.begin(), items.end());
    } else if (name == "connection") {
      const auto items = list_of(value);
      if (std::find(items.begin(), items.end(), "close") != items.end()) head.keep_alive = false;
    } else if (name == "expect" && head.minor_version == 1) {
      const bool is_continue = ++expectations == 1 && lower(value) == "100-continue";
      head.expectation = is_continue ? Expectation::kContinue : Expectation::kOther;
    }
  }
  return check_codings(codings, head);
}

}  // namespace

HeadScan scan_head(std::string_view bytes, std::size_t* offset) {
  std::size_t i = *offset;
  for (; i < bytes.size(); ++i) {
    const char c = bytes[i];
    if (c == '\r') {
      if (i + 1 == bytes.size()) break;  // look again when the next byte is there
      if (bytes[i + 1] != '\n') return HeadScan::kMalformed;
    } else if (c == '\n') {
      if (i == 0 || bytes[i - 1] != '\r') return HeadScan::kMalformed;
      if (i >= 3 && bytes[i - 2] == '\n') {
        *offset = i + 1;
        return HeadScan::kComplete;
      }
    } else if (is_control(c) && c != '\t') {
      return HeadScan::kMalformed;
    }
  }
  *offset = i;
  return HeadScan::kIncomplete;
}

Parsed<Head> parse_head(std::string_view bytes) {
  std::size_t offset = 0;
  if (scan_head(bytes, &offset) != HeadScan::kComplete || offset != bytes.size()) {
    return bad_request("head: expected lines that end in CRLF, without control characters, up to one empty line");
  }
  bytes.remove_suffix(2);
  Head head;
  bool is_first = true;
  while (!bytes.empty()) {
    const std::size_t end = bytes.find("\r\n");
    const std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(end + 2);
    if (line.empty()) return bad_request("head: the request line is empty");
    if (head.headers.size() == kMaxHeaderLines) return Fault{431, "more than 100 header lines"};
    auto done = is_first ? parse_request_line(line, head) : parse_header_line(line, head);
    if (!done) return done.error();
    is_first = false;
  }
  if (auto done = check_host(head); !done) return done.error();
  if (auto done = apply_headers(head); !done) return done.error();
  return head;
}

}  // namespace llorch::http
