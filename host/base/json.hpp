// Strict JSON for foreign bytes: bounded depth and size, no duplicate keys, valid UTF-8, finite numbers.
#pragma once

#include <boost/json/value.hpp>
#include <cstddef>
#include <string_view>

#include "base/result.hpp"

namespace llorch {

struct JsonLimits {
  std::size_t max_depth = 32;                        ///< nesting of arrays and objects
  std::size_t max_bytes = 64u * 1024 * 1024;         ///< of the document
  std::size_t max_values = 16'000'000;               ///< members and elements, all levels together
  std::size_t max_string_bytes = 64u * 1024 * 1024;  ///< of one key or string, unescaped
  /// Integers beyond 64 bits become the nearest double instead of an error. For files of other programs that hold such
  /// a number where nobody reads it: transformers writes "model_max_length": 1000000000000000019884624838656.
  bool wide_integers = false;
};

/// Parses one document per RFC 8259. Refused, with byte offset and reason: trailing text, duplicate keys in one object,
/// invalid UTF-8 or lone surrogates, numbers that do not fit a double, anything beyond `limits`.
///
/// Numbers keep their kind: a text without fraction and exponent becomes int64 (or uint64 from 2^63 on) and is refused
/// beyond 64 bits (unless `limits` allow it), so it never turns into a rounded double behind the caller's back;
/// everything else becomes the nearest double, zero when it is too small for one. An integer field therefore accepts
/// is_int64() and is_uint64() and nothing else. Failures are kInvalidArgument; a key may be quoted in them, a string
/// value never is. [any-thread]
[[nodiscard]] Result<boost::json::value> parse_json(std::string_view text, const JsonLimits& limits = {});

}  // namespace llorch
