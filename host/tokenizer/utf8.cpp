#include "tokenizer/utf8.hpp"

namespace llorch::tokenizer {
namespace {

// What may follow a lead byte: how many continuation bytes, and the range of the first of them.
struct Lead {
  std::uint8_t continuations = 0;
  std::uint8_t low = 0x80;
  std::uint8_t high = 0xBF;
};

Lead classify_lead(std::uint8_t byte) {
  if (byte >= 0xC2 && byte <= 0xDF) return {1, 0x80, 0xBF};
  if (byte == 0xE0) return {2, 0xA0, 0xBF};
  if (byte == 0xED) return {2, 0x80, 0x9F};
  if (byte >= 0xE1 && byte <= 0xEF) return {2, 0x80, 0xBF};
  if (byte == 0xF0) return {3, 0x90, 0xBF};
  if (byte >= 0xF1 && byte <= 0xF3) return {3, 0x80, 0xBF};
  if (byte == 0xF4) return {3, 0x80, 0x8F};
  return {};
}

}  // namespace

Utf8Step decode_utf8(std::string_view text, std::size_t at) {
  const auto first = static_cast<std::uint8_t>(text[at]);
  if (first < 0x80) return {first, 1, Utf8Status::kValid};
  Lead lead = classify_lead(first);
  if (lead.continuations == 0) return {0, 1, Utf8Status::kInvalid};

  char32_t code_point = first & (0x3Fu >> lead.continuations);
  std::uint8_t length = 1;
  for (; length <= lead.continuations; ++length) {
    if (at + length >= text.size()) return {0, length, Utf8Status::kTruncated};
    const auto byte = static_cast<std::uint8_t>(text[at + length]);
    if (byte < lead.low || byte > lead.high) return {0, length, Utf8Status::kInvalid};
    code_point = (code_point << 6) | (byte & 0x3Fu);
    lead.low = 0x80;  // only the first continuation is restricted further
    lead.high = 0xBF;
  }
  return {code_point, length, Utf8Status::kValid};
}

void append_utf8(char32_t code_point, std::string& out) {
  const auto put = [&out](char32_t byte) { out.push_back(static_cast<char>(static_cast<std::uint8_t>(byte))); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | (code_point >> 6));
    put(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    put(0xE0 | (code_point >> 12));
    put(0x80 | ((code_point >> 6) & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | (code_point >> 18));
    put(0x80 | ((code_point >> 12) & 0x3F));
    put(0x80 | ((code_point >> 6) & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

}  // namespace llorch::tokenizer
