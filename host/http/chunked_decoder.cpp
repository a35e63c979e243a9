#include "http/chunked_decoder.hpp"

#include <algorithm>
#include <utility>

namespace llorch::http {
namespace {

bool is_control_but_tab(char c) {
  const auto byte = static_cast<std::uint8_t>(c);
  return (byte < 0x20 && c != '\t') || byte == 0x7F;
}

}  // namespace

void ChunkedDecoder::fail(unsigned status, std::string message) {
  fault_ = Fault{status, std::move(message)};
}

void ChunkedDecoder::expect(char c, char expected, State next) {
  if (c != expected) return fail(400, "chunked body: expected CRLF");
  state_ = next;
}

void ChunkedDecoder::spend(std::size_t* used, const char* what) {
  if (++*used > kMaxOverhead) fail(400, std::string("chunked body: more than 8192 bytes of ") + what);
}

void ChunkedDecoder::size_line_ended() {
  if (remaining_ > max_body_ - total_) {
    return fail(413, "chunked body: more than " + std::to_string(max_body_) + " bytes");
  }
  total_ += static_cast<std::size_t>(remaining_);
  digits_ = 0;
  state_ = remaining_ == 0 ? State::kTrailerStart : State::kData;
}

void ChunkedDecoder::size_step(char c) {
  constexpr unsigned kMostDigits = 16;  // what 64 bits hold; also bounds leading zeros
  const bool is_decimal = c >= '0' && c <= '9';
  const bool is_lower = c >= 'a' && c <= 'f';
  const bool is_upper = c >= 'A' && c <= 'F';
  if (is_decimal || is_lower || is_upper) {
    if (++digits_ > kMostDigits) return fail(400, "chunked body: a chunk size of more than 16 digits");
    const char base = is_decimal ? '0' : static_cast<char>((is_lower ? 'a' : 'A') - 10);
    remaining_ = (remaining_ << 4U) | static_cast<std::uint64_t>(c - base);
    return;
  }
  if (digits_ == 0) return fail(400, "chunked body: expected a chunk size in hexadecimal digits");
  if (c == '\r') {
    state_ = State::kSizeLf;
  } else if (c == ';') {
    state_ = State::kExtension;
  } else if (c == ' ' || c == '\t') {
    state_ = State::kSpace;
  } else {
    fail(400, "chunked body: expected a chunk size in hexadecimal digits");
  }
}

void ChunkedDecoder::step(char c) {
  switch (state_) {
    case State::kSize:
      return size_step(c);
    case State::kSpace:
      spend(&extension_bytes_, "chunk extensions");
      if (c == ';') {
        state_ = State::kExtension;
      } else if (c != ' ' && c != '\t') {
        fail(400, "chunked body: white space after a chunk size");
      }
      return;
    case State::kExtension:
      if (c == '\r') {
        state_ = State::kSizeLf;
        return;
      }
      if (is_control_but_tab(c)) return fail(400, "chunked body: a control character in a chunk extension");
      return spend(&extension_bytes_, "chunk extensions");
    case State::kSizeLf:
      if (c != '\n') return fail(400, "chunked body: expected CRLF");
      return size_line_ended();
    case State::kDataCr:
      return expect(c, '\r', State::kDataLf);
    case State::kDataLf:
      return expect(c, '\n', State::kSize);
    case State::kTrailerStart:
    case State::kTrailer:
      if (c == '\r') {
        state_ = state_ == State::kTrailerStart ? State::kFinalLf : State::kTrailerLf;
        return;
      }
      if (is_control_but_tab(c)) return fail(400, "chunked body: a control character in a trailer");
      state_ = State::kTrailer;
      return spend(&trailer_bytes_, "trailers");
    case State::kTrailerLf:
      return expect(c, '\n', State::kTrailerStart);
    case State::kFinalLf:
      return expect(c, '\n', State::kDone);
    case State::kData:
    case State::kDone:
      return;  // feed() does not come here in these states
  }
}

std::size_t ChunkedDecoder::feed(std::string_view in, std::string* body) {
  std::size_t used = 0;
  while (used < in.size() && state_ != State::kDone && !fault_) {
    if (state_ == State::kData) {
      const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, in.size() - used));
      body->append(in.substr(used, take));
      used += take;
      remaining_ -= take;
      if (remaining_ == 0) state_ = State::kDataCr;
    } else {
      step(in[used++]);
    }
  }
  return used;
}

}  // namespace llorch::http
