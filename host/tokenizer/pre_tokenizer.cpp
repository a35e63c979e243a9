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

class Gpt2PreTokenizer final : public Scanner {
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

// (?i:'s|'t|'re|'ve|'m|'ll|'d) at an apostrophe: its length, or 0. Without case, U+017F is an s too.
std::size_t caseless_contraction_length(std::string_view text, std::size_t at) {
  const auto lower = [&](std::size_t i) {
    if (i >= text.size()) return '\0';
    return text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] - 'A' + 'a') : text[i];
  };
  const char first = lower(at + 1);
  const char second = lower(at + 2);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  if (first == '\xC5' && second == '\xBF') return 3;
  if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l')) return 3;
  return 0;
}

class Llama3PreTokenizer final : public Scanner {
 public:
  explicit Llama3PreTokenizer(std::size_t max_digits) : max_digits_(max_digits) {}

  [[nodiscard]] std::size_t piece_end(std::string_view text, std::size_t at) const override {
    const char first = text[at];
    if (first == '\'') {
      if (const std::size_t length = caseless_contraction_length(text, at)) return at + length;
    }
    const ScannedChar c = scan_char(text, at);
    const std::size_t next = at + c.length;
    const bool is_newline = first == '\r' || first == '\n';
    if (c.char_class == CharClass::kLetter) return run_end(text, next, CharClass::kLetter);
    if (c.char_class == CharClass::kNumber) return number_end(text, next);
    // One character that is no newline belongs to the word after it.
    const CharClass after = next < text.size() ? scan_char(text, next).char_class : CharClass::kSpace;
    if (!is_newline && after == CharClass::kLetter) return run_end(text, next, CharClass::kLetter);
    if (c.char_class == CharClass::kOther || (first == ' ' && next < text.size() && after == CharClass::kOther)) {
      return newlines_end(text, run_end(text, next, CharClass::kOther));
    }
    return white_space_end(text, at);
  }

 private:
  [[nodiscard]] std::size_t number_end(std::string_view text, std::size_t at) const {
    for (std::size_t digits = 1; digits < max_digits_ && at < text.size(); ++digits) {
      const ScannedChar c = scan_char(text, at);
      if (c.char_class != CharClass::kNumber) break;
      at += c.length;
    }
    return at;
  }

  static std::size_t newlines_end(std::string_view text, std::size_t at) {
    while (at < text.size() && (text[at] == '\r' || text[at] == '\n'))
      ++at;
    return at;
  }

  // \s*[\r\n]+|\s+(?!\S)|\s+ : up to the last newline of the run; without one, as in GPT-2's pattern.
  static std::size_t white_space_end(std::string_view text, std::size_t at) {
    const std::size_t end = run_end(text, at, CharClass::kSpace);
    const std::size_t newline = text.substr(at, end - at).find_last_of("\r\n");
    return newline == std::string_view::npos ? space_piece_end(text, at) : at + newline + 1;
  }

  std::size_t max_digits_;
};

class DigitsPreTokenizer final : public Scanner {
 public:
  explicit DigitsPreTokenizer(bool individual) : individual_(individual) {}

  [[nodiscard]] std::size_t piece_end(std::string_view text, std::size_t at) const override {
    const ScannedChar first = scan_char(text, at);
    std::size_t end = at + first.length;
    const bool number = first.char_class == CharClass::kNumber;
    if (number && individual_) return end;
    while (end < text.size()) {
      const ScannedChar c = scan_char(text, end);
      if ((c.char_class == CharClass::kNumber) != number) break;
      end += c.length;
    }
    return end;
  }

 private:
  bool individual_;
};

class WholeTextPreTokenizer final : public Scanner {
 public:
  [[nodiscard]] std::size_t piece_end(std::string_view text, std::size_t /*at*/) const override { return text.size(); }
};

class Sequence final : public PreTokenizer {
 public:
  explicit Sequence(std::vector<std::unique_ptr<PreTokenizer>> parts) : parts_(std::move(parts)) {}

  void split(std::string_view text, std::vector<TextRange>& pieces) const override {
    if (text.empty()) return;
    std::vector<TextRange> before = {{0, text.size()}};
    std::vector<TextRange> after;
    for (const auto& part : parts_) {
      after.clear();
      for (const TextRange& piece : before) {
        const std::size_t first = after.size();
        part->split(text.substr(piece.begin, piece.end - piece.begin), after);
        for (std::size_t i = first; i < after.size(); ++i) {
          after[i].begin += piece.begin;
          after[i].end += piece.begin;
        }
      }
      before.swap(after);
    }
    pieces.insert(pieces.end(), before.begin(), before.end());
  }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> parts_;
};

}  // namespace

void Scanner::split(std::string_view text, std::vector<TextRange>& pieces) const {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = piece_end(text, at);
    pieces.push_back({at, end});
    at = end;
  }
}

std::unique_ptr<Scanner> make_gpt2_pre_tokenizer() {
  return std::make_unique<Gpt2PreTokenizer>();
}

std::unique_ptr<Scanner> make_llama3_pre_tokenizer(std::size_t max_digits) {
  return std::make_unique<Llama3PreTokenizer>(max_digits);
}

std::unique_ptr<Scanner> make_digits_pre_tokenizer(bool individual) {
  return std::make_unique<DigitsPreTokenizer>(individual);
}

std::unique_ptr<Scanner> make_whole_text_pre_tokenizer() {
  return std::make_unique<WholeTextPreTokenizer>();
}

std::unique_ptr<PreTokenizer> make_pre_tokenizer_sequence(std::vector<std::unique_ptr<PreTokenizer>> parts) {
  if (parts.size() == 1) return std::move(parts.front());
  return std::make_unique<Sequence>(std::move(parts));
}

Result<std::unique_ptr<PreTokenizer>> make_split_pre_tokenizer(const SplitRule& rule) {
  const bool plain = !rule.is_literal && (rule.behavior == SplitBehavior::kIsolated ||
                                          (rule.behavior == SplitBehavior::kRemoved && rule.invert));
  // These patterns match every character, so nothing lies between their matches.
  if (plain && rule.pattern == kGpt2Pattern) return std::unique_ptr<PreTokenizer>(make_gpt2_pre_tokenizer());
  if (plain && rule.pattern == kLlama3Pattern) return std::unique_ptr<PreTokenizer>(make_llama3_pre_tokenizer(3));
  if (plain && rule.pattern == kQwen2Pattern) return std::unique_ptr<PreTokenizer>(make_llama3_pre_tokenizer(1));
  if (plain && !rule.invert && rule.pattern == R"(\p{N})") {
    return std::unique_ptr<PreTokenizer>(make_digits_pre_tokenizer(true));
  }
  return make_regex_pre_tokenizer(rule);
}

}  // namespace llorch::tokenizer
