#include "tokenizer/pre_tokenizer.hpp"

#include "tokenizer/unicode_classes.hpp"
#include "tokenizer/utf8.hpp"

namespace llorch::tokenizer {
namespace {

struct ScannedChar {
  CharClass char_class = CharClass::kOther;
  std::size_t length = 1;
};

ScannedChar scan_char(std::string_view text, std::size_t at) {
  const auto byte = static_cast<unsigned char>(text[at]);
  if (byte < 0x80) return {kAsciiClasses[byte], 1};
  const Utf8Step step = decode_utf8(text, at);
  if (step.status != Utf8Status::kValid) return {CharClass::kOther, 1};
  return {char_class(step.code_point), step.length};
}

// End of the run of one class that starts at `at`.
std::size_t run_end(std::string_view text, std::size_t at, CharClass wanted) {
  while (at < text.size()) {
    const ScannedChar c = scan_char(text, at);
    if (c.char_class != wanted) break;
    at += c.length;
  }
  return at;
}

// \s+(?!\S)|\s+ : white space before a word gives its last character away, unless it has only one.
std::size_t space_piece_end(std::string_view text, std::size_t at) {
  std::size_t end = at;
  std::size_t last = at;  // start of the last white-space character
  while (end < text.size()) {
    const ScannedChar c = scan_char(text, end);
    if (c.char_class != CharClass::kSpace) break;
    last = end;
    end += c.length;
  }
  if (end == text.size() || last == at) return end;
  return last;
}

// Length of 's 't 're 've 'm 'll 'd at an apostrophe, or 0.
std::size_t contraction_length(std::string_view text, std::size_t at) {
  if (at + 1 >= text.size()) return 0;
  const char first = text[at + 1];
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  if (at + 2 >= text.size()) return 0;
  const char second = text[at + 2];
  if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l')) return 3;
  return 0;
}

class Gpt2PreTokenizer final : public PreTokenizer {
 public:
  [[nodiscard]] std::size_t piece_end(std::string_view text, std::size_t at) const override {
    const char first = text[at];
    if (first == '\'') {
      if (const std::size_t length = contraction_length(text, at)) return at + length;
    }
    ScannedChar c = scan_char(text, at);
    std::size_t next = at + c.length;
    if (first == ' ' && next < text.size()) {  // " ?": one plain space belongs to the word after it
      const ScannedChar after = scan_char(text, next);
      if (after.char_class == CharClass::kSpace) return space_piece_end(text, at);
      c = after;
      next += after.length;
    }
    if (c.char_class == CharClass::kSpace) return space_piece_end(text, at);
    return run_end(text, next, c.char_class);
  }
};

class WholeTextPreTokenizer final : public PreTokenizer {
 public:
  [[nodiscard]] std::size_t piece_end(std::string_view text, std::size_t /*at*/) const override { return text.size(); }
};

}  // namespace

std::unique_ptr<PreTokenizer> make_gpt2_pre_tokenizer() {
  return std::make_unique<Gpt2PreTokenizer>();
}

std::unique_ptr<PreTokenizer> make_whole_text_pre_tokenizer() {
  return std::make_unique<WholeTextPreTokenizer>();
}

}  // namespace llorch::tokenizer
