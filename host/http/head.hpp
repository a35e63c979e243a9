// The head of a request (request line and header lines), parsed strictly from its raw bytes.
// Lenient framing is how a second, hidden request is smuggled past a proxy, so nothing ambiguous is repaired here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/fault.hpp"
#include "http/headers.hpp"

namespace llorch::http {

enum class Expectation : std::uint8_t { kNone, kContinue, kOther };

struct Head {
  std::string method;
  std::string path;   ///< decoded, see parse_target()
  std::string query;  ///< as sent
  unsigned minor_version = 1;
  Headers headers;         ///< names in lower case, values without surrounding white space, in the order sent
  bool keep_alive = true;  ///< what the client asks for; always false on HTTP/1.0
  bool chunked = false;    ///< the body is chunked; otherwise it has content_length bytes (none: 0)
  std::optional<std::uint64_t> content_length;  ///< saturates at 2^64-1
  Expectation expectation = Expectation::kNone;

  [[nodiscard]] bool has_body() const { return chunked || content_length.value_or(0) > 0; }
};

constexpr std::size_t kMaxHeaderLines = 100;

enum class HeadScan : std::uint8_t { kIncomplete, kComplete, kMalformed };

/// Looks for the empty line that ends a head in `bytes`, beginning at `*offset` (0 at first; kept between calls, so a
/// head that arrives byte by byte costs linear time). kComplete: `*offset` is one past the final CRLF. kMalformed: a
/// byte that no head may hold came first (bare LF or CR, NUL, another control character). [any-thread]
[[nodiscard]] HeadScan scan_head(std::string_view bytes, std::size_t* offset);

/// Parses a whole head, the empty line included. Pure. Faults: 400 malformed or ambiguous framing (RFC 9112 sections
/// 2.2, 3.2, 5.1, 5.2, 6.1 and 6.3), 431 too many lines, 501 an unknown transfer coding, 505 another HTTP version.
/// [any-thread]
[[nodiscard]] Parsed<Head> parse_head(std::string_view bytes);

}  // namespace llorch::http
