// Incremental decoder of a chunked request body with every part of it bounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/fault.hpp"

namespace llorch::http {

/// RFC 9112 section 7.1. Chunk extensions and trailers are read past and discarded, each at most kMaxOverhead bytes
/// over the whole body. Faults: 400 malformed or over such a bound, 413 more than `max_body` bytes (known as soon as
/// the size of the chunk that exceeds it is read). [any-thread], one caller at a time.
class ChunkedDecoder {
 public:
  static constexpr std::size_t kMaxOverhead = 8 * 1024;

  explicit ChunkedDecoder(std::size_t max_body) : max_body_(max_body) {}

  /// Decodes from `in`, appends data to `*body`, returns how many bytes were consumed: all of them unless the body
  /// ended (what is left belongs to the next request) or a fault was found.
  std::size_t feed(std::string_view in, std::string* body);

  [[nodiscard]] bool done() const { return state_ == State::kDone; }
  [[nodiscard]] const std::optional<Fault>& fault() const { return fault_; }

 private:
  enum class State : std::uint8_t {
    kSize,          // hexadecimal digits
    kSpace,         // white space that only an extension may follow
    kExtension,     // up to the CR
    kSizeLf,        // LF of the size line
    kData,          //
    kDataCr,        // CR after the data
    kDataLf,        // LF after the data
    kTrailerStart,  // first byte of a trailer line or of the empty line
    kTrailer,       // up to the CR
    kTrailerLf,     // LF of a trailer line
    kFinalLf,       // LF of the empty line
    kDone
  };

  void step(char c);
  void size_step(char c);
  void size_line_ended();
  void expect(char c, char expected, State next);
  void spend(std::size_t* used, const char* what);
  void fail(unsigned status, std::string message);

  State state_ = State::kSize;
  std::size_t max_body_;
  std::size_t total_ = 0;        // bytes of data announced so far
  std::uint64_t remaining_ = 0;  // of the current chunk; while in kSize: the number read so far
  unsigned digits_ = 0;
  std::size_t extension_bytes_ = 0, trailer_bytes_ = 0;
  std::optional<Fault> fault_;
};

}  // namespace llorch::http
