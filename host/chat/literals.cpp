#include "chat/literals.hpp"

#include <charconv>

#include "tokenizer/utf8.hpp"

namespace llorch::chat {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Digits with single underscores between them; how many bytes.
template <class IsDigit>
std::size_t digits(std::string_view text, std::size_t at, std::string& out, IsDigit is_one) {
  const std::size_t begin = at;
  while (at < text.size()) {
    const bool underscore = text[at] == '_' && at > begin && at + 1 < text.size() && is_one(text[at + 1]);
    if (!underscore && !is_one(text[at])) break;
    if (!underscore) out += text[at];
    ++at;
  }
  return at - begin;
}

std::optional<char> simple_escape(char letter) {
  constexpr std::string_view kLetters = "\\'\"abfnrtv";
  constexpr std::string_view kMeanings = "\\'\"\a\b\f\n\r\t\v";
  const std::size_t at = kLetters.find(letter);
  return at == std::string_view::npos ? std::nullopt : std::optional<char>(kMeanings[at]);
}

// \xhh, \uhhhh, \Uhhhhhhhh: the code point, if there are that many digits and it is a character.
std::optional<char32_t> numbered(std::string_view text, std::size_t count) {
  std::uint32_t code = 0;
  if (text.size() < count) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + count, code, 16);
  const bool character = code < 0xD800 || (code > 0xDFFF && code < 0x110000);
  if (error != std::errc() || end != text.data() + count || !character) return std::nullopt;
  return static_cast<char32_t>(code);
}

}  // namespace

std::optional<std::string> unescape(std::string_view body) {
  std::string out;
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (body[i] != '\\') {
      out += body[i];
      continue;
    }
    if (++i >= body.size()) return std::nullopt;
    const char letter = body[i];
    if (const auto meaning = simple_escape(letter)) {
      out += *meaning;
    } else if (letter == 'x' || letter == 'u' || letter == 'U') {
      const std::size_t count = letter == 'x' ? 2 : letter == 'u' ? 4 : 8;
      const auto code = numbered(body.substr(i + 1), count);
      if (!code) return std::nullopt;
      tokenizer::append_utf8(*code, out);
      i += count;
    } else if (letter >= '0' && letter <= '7') {
      std::uint32_t code = 0;
      std::size_t count = 0;
      for (; count < 3 && i + count < body.size() && body[i + count] >= '0' && body[i + count] <= '7'; ++count)
        code = code * 8 + static_cast<std::uint32_t>(body[i + count] - '0');
      tokenizer::append_utf8(code, out);
      i += count - 1;
    } else if (letter == 'N') {
      return std::nullopt;
    } else if (letter != '\n') {  // an escaped line end is nothing
      out += '\\';
      out += letter;
    }
  }
  return out;
}

NumberLiteral read_number(std::string_view text, bool after_dot) {
  NumberLiteral literal;
  std::string clean;
  const char second = text.size() > 1 ? static_cast<char>(text[1] | 0x20) : ' ';
  const int base = text[0] != '0' ? 10 : second == 'x' ? 16 : second == 'o' ? 8 : second == 'b' ? 2 : 10;
  if (base != 10) {
    const auto is_one = [&](char c) {
      const int value = is_digit(c) ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : 99;
      return value < base;
    };
    const std::size_t skip = text.size() > 2 && text[2] == '_' ? 3 : 2;
    const std::size_t count = digits(text, skip, clean, is_one);
    const auto [end, error] = std::from_chars(clean.data(), clean.data() + clean.size(), literal.integer, base);
    if (count > 0 && error == std::errc()) literal.length = skip + count;
    return literal;
  }
  std::size_t at = digits(text, 0, clean, is_digit);
  if (!after_dot) {
    std::string fraction;
    if (at + 1 < text.size() && text[at] == '.' && is_digit(text[at + 1])) {
      const std::size_t count = digits(text, at + 1, fraction, is_digit);
      clean += "." + fraction;
      at += 1 + count;
      literal.is_float = true;
    }
    if (at < text.size() && (text[at] | 0x20) == 'e') {
      const bool is_signed = at + 1 < text.size() && (text[at + 1] == '+' || text[at + 1] == '-');
      std::string exponent;
      const std::size_t count = digits(text, at + (is_signed ? 2 : 1), exponent, is_digit);
      if (count > 0) {
        clean += is_signed && text[at + 1] == '-' ? "e-" : "e";
        clean += exponent;
        at += (is_signed ? 2 : 1) + count;
        literal.is_float = true;
      }
    }
  }
  const char* const last = clean.data() + clean.size();
  const std::errc error = literal.is_float ? std::from_chars(clean.data(), last, literal.number).ec
                                           : std::from_chars(clean.data(), last, literal.integer).ec;
  if (error == std::errc()) literal.length = at;
  return literal;
}

}  // namespace llorch::chat
