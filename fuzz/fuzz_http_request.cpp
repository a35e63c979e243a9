// HTTP requests: the strict head parser and the chunked decoder on foreign bytes, with their promises checked.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/url.hpp"
#include "http/chunked_decoder.hpp"
#include "http/head.hpp"

namespace {

using namespace llorch::http;

void require(bool promise) {
  if (!promise) std::abort();
}

constexpr std::size_t kMaxBody = 4096;

struct Decoded {
  std::string body;
  std::size_t used = 0;
  bool done = false;
  unsigned status = 0;
  bool operator==(const Decoded&) const = default;
};

Decoded decode(std::string_view bytes, std::size_t step) {
  ChunkedDecoder decoder(kMaxBody);
  Decoded result;
  while (result.used < bytes.size() && !decoder.done() && !decoder.fault()) {
    const std::size_t used = decoder.feed(bytes.substr(result.used, step), &result.body);
    require(used > 0);
    result.used += used;
  }
  result.done = decoder.done();
  if (decoder.fault()) result.status = decoder.fault()->status;
  require(result.body.size() <= kMaxBody);
  return result;
}

void check_head(const Head& head) {
  require(head.path == "*" ? head.method == "OPTIONS" : head.path.starts_with('/'));
  require(head.path.find_first_of(std::string_view("\0\\\r\n", 4)) == std::string::npos);
  require((head.path + "/").find("/../") == std::string::npos);
  require(!head.chunked || (!head.content_length && head.minor_version == 1));
  const auto count = [&head](std::string_view name) {
    return std::count_if(head.headers.begin(), head.headers.end(), [&](const auto& h) { return h.first == name; });
  };
  require(count("host") == 1 || (count("host") == 0 && head.minor_version == 0));
  require(count("content-length") <= 1);
  for (const auto& [name, value] : head.headers) {
    require(name.find_first_of(" \t\r\n:") == std::string::npos);
    require(value.find_first_of(std::string_view("\0\r\n", 3)) == std::string::npos);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  // The end found byte by byte is the end found at once.
  std::size_t end = 0;
  const HeadScan scan = scan_head(bytes, &end);
  std::size_t stepwise = 0;
  HeadScan last = HeadScan::kIncomplete;
  for (std::size_t seen = 1; seen <= size && last == HeadScan::kIncomplete; ++seen) {
    last = scan_head(bytes.substr(0, seen), &stepwise);
  }
  require(last == scan);
  if (scan == HeadScan::kComplete) {
    require(stepwise == end);
    if (const auto head = parse_head(bytes.substr(0, end)); head) check_head(*head);
    const std::string_view body = bytes.substr(end);
    require(decode(body, body.size()) == decode(body, 1));
  }
  require(decode(bytes, size) == decode(bytes, 3));
  (void)llorch::parse_url(bytes);
  return 0;
}
