#include "chat/lexer.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.hpp"
#include "chat/literals.hpp"
#include "chat/runtime.hpp"
#include "chat/unicode.hpp"

namespace llorch::chat {
namespace {

// Line ends become \n, and one at the end of the template goes.
std::string normalized(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

bool is_name_character(char32_t c) {
  return c == '_' || is_alpha(c) || is_digit(c);
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(normalized(source)) {}

  std::vector<Token> run() {
    while (at_ < source_.size())
      outside();
    push(TokenKind::kEnd);
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail_here(const std::string& message) const { throw Failure(message, line_); }
  [[nodiscard]] std::string_view rest() const { return std::string_view(source_).substr(at_); }

  void push(TokenKind kind, std::string text = {}) {
    Token token;
    token.kind = kind;
    token.line = line_;
    token.text = std::move(text);
    tokens_.push_back(std::move(token));
  }

  void advance(std::size_t bytes) {
    const std::string_view passed = rest().substr(0, bytes);
    line_ += static_cast<std::uint32_t>(std::count(passed.begin(), passed.end(), '\n'));
    if (!passed.empty()) at_line_start_ = passed.back() == '\n';
    at_ += bytes;
  }

  // Data up to the next tag, and that tag.
  void outside() {
    std::size_t tag = at_;
    for (;; ++tag) {
      tag = source_.find('{', tag);
      if (tag == std::string::npos || tag + 1 >= source_.size()) return data(source_.size(), ' ', ' ');
      const char kind = source_[tag + 1];
      if (kind == '%' || kind == '{' || kind == '#') break;
    }
    const char kind = source_[tag + 1];
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : ' ';
    data(tag, kind, sign);
    advance(sign == '-' || sign == '+' ? 3 : 2);
    if (kind == '#') return comment();
    if (kind == '%' && raw_begins()) return raw();
    push(kind == '%' ? TokenKind::kBlockBegin : TokenKind::kVariableBegin);
    inside(kind);
  }

  // Text that a tag of that kind and sign follows.
  void data(std::size_t end, char kind, char sign) {
    std::string_view text = std::string_view(source_).substr(at_, end - at_);
    const std::size_t whole = text.size();
    if (sign == '-') {
      text.remove_suffix(trailing_space(text));
    } else if (sign != '+' && (kind == '%' || kind == '#')) {
      const std::size_t newline = text.rfind('\n');
      const std::size_t line_begin = newline == std::string_view::npos ? 0 : newline + 1;
      const bool own_line = line_begin > 0 || at_line_start_;
      if (own_line && leading_space(text.substr(line_begin)) == whole - line_begin) text = text.substr(0, line_begin);
    }
    if (!text.empty()) push(TokenKind::kData, std::string(text));
    advance(whole);
  }

  // White space after the end of a tag: all of it after "-", one line end after a block or comment.
  void after_tag(char sign, bool trims_line) {
    if (sign == '-') {
      advance(leading_space(rest()));
    } else if (trims_line && sign != '+' && rest().starts_with('\n')) {
      advance(1);
    }
  }

  void comment() {
    const std::size_t end = source_.find("#}", at_);
    if (end == std::string::npos) fail_here("expected the end of the comment, \"#}\", found the end of the template");
    const char sign = end > at_ ? source_[end - 1] : ' ';
    advance(end + 2 - at_);
    after_tag(sign, true);
  }

  // The place after `{% word %}` if that is what comes next; 0 otherwise. `sign` is set to the one at its end.
  [[nodiscard]] std::size_t lone_word(std::size_t from, std::string_view word, char& sign) const {
    const std::string_view all = source_;
    std::size_t at = from + leading_space(all.substr(from));
    if (!all.substr(at).starts_with(word)) return 0;
    at += word.size();
    at += leading_space(all.substr(at));
    sign = at < all.size() ? all[at] : ' ';
    if (sign == '-' || sign == '+') ++at;
    return all.substr(at).starts_with("%}") ? at + 2 : 0;
  }

  [[nodiscard]] bool raw_begins() const {
    char sign = ' ';
    return lone_word(at_, "raw", sign) != 0;
  }

  void raw() {
    char sign = ' ';
    advance(lone_word(at_, "raw", sign) - at_);
    after_tag(sign, false);
    for (std::size_t tag = at_;; ++tag) {
      tag = source_.find("{%", tag);
      if (tag == std::string::npos) fail_here("expected \"{% endraw %}\", found the end of the template");
      const char before = tag + 2 < source_.size() ? source_[tag + 2] : ' ';
      const std::size_t from = tag + (before == '-' || before == '+' ? 3 : 2);
      const std::size_t end = from <= source_.size() ? lone_word(from, "endraw", sign) : 0;
      if (end == 0) continue;
      data(tag, '%', before);
      advance(end - at_);
      return after_tag(sign, true);
    }
  }

  // The tokens of a tag up to and with its end.
  void inside(char kind) {
    const std::string_view closing = kind == '%' ? "%}" : "}}";
    std::vector<char> open;
    while (true) {
      advance(leading_space(rest()));
      if (at_ >= source_.size()) {
        fail_here(fmt::format("expected the end of the tag, \"{}\", found the end of the template", closing));
      }
      const char c = source_[at_];
      const bool signed_end = (c == '-' || (c == '+' && kind == '%')) && rest().substr(1).starts_with(closing);
      if (open.empty() && (signed_end || rest().starts_with(closing))) {
        push(kind == '%' ? TokenKind::kBlockEnd : TokenKind::kVariableEnd);
        advance(signed_end ? 3 : 2);
        return after_tag(signed_end ? c : ' ', kind == '%');
      }
      token(open);
    }
  }

  void token(std::vector<char>& open) {
    const char c = source_[at_];
    if (c == '\'' || c == '"') return string(c);
    if (c >= '0' && c <= '9') return number();
    const tokenizer::Utf8Step step = tokenizer::decode_utf8(source_, at_);
    if (is_name_character(step.code_point)) return name();
    static constexpr std::array<std::string_view, 24> kOperators = {"//", "**", "==", "!=", ">=", "<=", "+", "-",
                                                                    "/",  "*",  "%",  "~",  "[",  "]",  "(", ")",
                                                                    "{",  "}",  ">",  "<",  "=",  ".",  ":", "|"};
    std::string_view found;
    for (const std::string_view op : kOperators) {
      if (found.empty() && rest().starts_with(op)) found = op;
    }
    if (c == ',') found = ",";
    if (found.empty()) fail_here(fmt::format("unexpected character {}", quote(rest().substr(0, step.length))));
    balance(found, open);
    push(TokenKind::kOperator, std::string(found));
    advance(found.size());
  }

  void balance(std::string_view op, std::vector<char>& open) const {
    if (op == "(" || op == "[" || op == "{") {
      open.push_back(op == "(" ? ')' : op == "[" ? ']' : '}');
    } else if (op == ")" || op == "]" || op == "}") {
      if (open.empty()) fail_here(fmt::format("unexpected \"{}\"", op));
      if (open.back() != op.front()) fail_here(fmt::format("expected \"{}\", found \"{}\"", open.back(), op));
      open.pop_back();
    }
  }

  void name() {
    std::size_t end = at_;
    while (end < source_.size()) {
      const tokenizer::Utf8Step step = tokenizer::decode_utf8(source_, end);
      if (!is_name_character(step.code_point)) break;
      end += step.length;
    }
    push(TokenKind::kName, source_.substr(at_, end - at_));
    advance(end - at_);
  }

  void string(char quote_mark) {
    std::size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote_mark)
      end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) fail_here(fmt::format("expected the end of the string, {}", quote_mark));
    const std::string_view body = std::string_view(source_).substr(at_ + 1, end - at_ - 1);
    const auto text = unescape(body);
    if (!text) fail_here("expected a string with valid escapes, found " + quote(body));
    push(TokenKind::kString, *text);
    advance(end + 1 - at_);
  }

  void number() {
    const NumberLiteral literal = read_number(rest(), at_ > 0 && source_[at_ - 1] == '.');
    if (literal.length == 0) fail_here("expected a number of at most 64 bits, found " + quote(rest().substr(0, 24)));
    push(literal.is_float ? TokenKind::kFloat : TokenKind::kInteger);
    tokens_.back().integer = literal.integer;
    tokens_.back().number = literal.number;
    advance(literal.length);
  }

  std::string source_;
  std::size_t at_ = 0;
  std::uint32_t line_ = 1;
  bool at_line_start_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::string Token::describe() const {
  switch (kind) {
    case TokenKind::kData:
      return "template text";
    case TokenKind::kBlockBegin:
      return "\"{%\"";
    case TokenKind::kBlockEnd:
      return "\"%}\"";
    case TokenKind::kVariableBegin:
      return "\"{{\"";
    case TokenKind::kVariableEnd:
      return "\"}}\"";
    case TokenKind::kString:
      return "the string " + quote(text, 40);
    case TokenKind::kInteger:
      return std::to_string(integer);
    case TokenKind::kFloat:
      return fmt::format("{}", number);
    case TokenKind::kEnd:
      return "the end of the template";
    case TokenKind::kName:
    case TokenKind::kOperator:
      break;
  }
  return quote(text, 40);
}

std::vector<Token> tokenize(std::string_view source) {
  return Lexer(source).run();
}

}  // namespace llorch::chat
