#include "tokenizer/byte_alphabet.hpp"

#include <array>
#include <cstdint>

#include "tokenizer/utf8.hpp"

namespace llorch::tokenizer {
namespace {

constexpr char32_t kFirstStandIn = 0x100;
constexpr std::size_t kAlphabetEnd = 0x144;  // one past the last stand-in

struct Alphabet {
  std::array<char32_t, 256> character{};             ///< of a byte
  std::array<std::int16_t, kAlphabetEnd> byte_of{};  ///< of a character; -1: not in the alphabet
};

constexpr bool stands_for_itself(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr Alphabet kAlphabet = [] {
  Alphabet alphabet;
  for (auto& byte : alphabet.byte_of)
    byte = -1;
  char32_t stand_in = kFirstStandIn;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const char32_t character = stands_for_itself(byte) ? byte : stand_in++;
    alphabet.character[byte] = character;
    alphabet.byte_of[character] = static_cast<std::int16_t>(byte);
  }
  return alphabet;
}();

}  // namespace

std::optional<std::string> spelling_to_bytes(std::string_view spelling) {
  std::string bytes;
  bytes.reserve(spelling.size());
  for (std::size_t at = 0; at < spelling.size();) {
    const Utf8Step step = decode_utf8(spelling, at);
    if (step.status != Utf8Status::kValid || step.code_point >= kAlphabetEnd) return std::nullopt;
    const std::int16_t byte = kAlphabet.byte_of[step.code_point];
    if (byte < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(byte));
    at += step.length;
  }
  return bytes;
}

std::string bytes_to_spelling(std::string_view bytes) {
  std::string spelling;
  spelling.reserve(bytes.size() * 2);
  for (const char byte : bytes)
    append_utf8(kAlphabet.character[static_cast<std::uint8_t>(byte)], spelling);
  return spelling;
}

}  // namespace llorch::tokenizer
