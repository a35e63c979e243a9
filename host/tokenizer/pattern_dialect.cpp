#include "tokenizer/pattern_dialect.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace llorch::tokenizer {
namespace {

// Scripts that occur in patterns. PCRE2 takes a bare name for the script's extensions; Oniguruma for the script.
constexpr std::array<std::string_view, 21> kScripts = {
    "Han",        "Hiragana", "Katakana", "Hangul", "Latin",    "Cyrillic", "Greek",
    "Arabic",     "Hebrew",   "Thai",     "Lao",    "Khmer",    "Myanmar",  "Tibetan",
    "Devanagari", "Bengali",  "Tamil",    "Telugu", "Bopomofo", "Ethiopic", "Mongolian"};

constexpr std::string_view kWordClass = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc})";  // UTS #18, without the joiners
constexpr std::string_view kSamePlainEscapes = "pPdDrntfbBAzZ";                // followed by nothing special
constexpr std::size_t kMaxPattern = 1u << 16;

bool is_word_byte(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

class Rewriter {
 public:
  explicit Rewriter(std::string_view pattern) : pattern_(pattern) {}

  Result<std::string> run() {
    if (pattern_.size() > kMaxPattern) {
      return unsupported(fmt::format("more than {} bytes", kMaxPattern));
    }
    while (at_ < pattern_.size()) {
      const char c = pattern_[at_];
      if (c == '\\') {
        if (auto ok = escape(); !ok) return ok.error();
        continue;
      }
      if (in_class_) {
        if (auto ok = class_char(c); !ok) return ok.error();
        continue;
      }
      if (c == '[') {
        open_class();
        continue;
      }
      if (c == '(') {
        if (auto ok = group(); !ok) return ok.error();
      }
      if (c == '}' && at_ + 1 < pattern_.size() && pattern_[at_ + 1] == '+') {
        return unsupported("\"{...}+\", possessive in one dialect and a repetition in the other");
      }
      out_.push_back(c);
      ++at_;
    }
    return std::move(out_);
  }

 private:
  Error unsupported(std::string_view what) const {
    return make_error(ErrorCode::kUnsupported,
                      fmt::format("pattern {}: expected syntax that is supported, found {}", quote(pattern_), what));
  }

  // "(?i:", "(?=", "(?<name>" ... are alike; options that switch dialects or mean other things are not.
  Result<void> group() {
    if (pattern_.substr(at_).starts_with("(*")) return unsupported("\"(*\", a verb of another dialect");
    if (!pattern_.substr(at_).starts_with("(?")) return {};
    constexpr std::string_view kAlike = ":=!<>i-#(";
    const char kind = at_ + 2 < pattern_.size() ? pattern_[at_ + 2] : '\0';
    if (kAlike.find(kind) == std::string_view::npos || kind == '(' || kind == '#') {
      return unsupported(fmt::format("the group \"(?{}\"", kind));
    }
    return {};
  }

  void open_class() {
    in_class_ = true;
    out_.push_back('[');
    ++at_;
    if (at_ < pattern_.size() && pattern_[at_] == '^') {
      out_.push_back('^');
      ++at_;
    }
  }

  Result<void> class_char(char c) {
    if (c == '[') return unsupported("a class inside of a class");
    if (pattern_.substr(at_).starts_with("&&")) return unsupported("\"&&\" inside of a class");
    if (c == ']') in_class_ = false;
    out_.push_back(c);
    ++at_;
    return {};
  }

  Result<void> escape() {
    if (at_ + 1 >= pattern_.size()) return unsupported("a \"\\\" at its end");
    const char c = pattern_[at_ + 1];
    switch (c) {
      case 's':  // the White_Space property in both spellings; PCRE2's own \s has U+180E too
        out_ += R"(\p{wspace})";
        break;
      case 'S':
        out_ += R"(\P{wspace})";
        break;
      case 'w':
        out_ += in_class_ ? std::string(kWordClass) : fmt::format("[{}]", kWordClass);
        break;
      case 'W':
        if (in_class_) return unsupported("\"\\W\" inside of a class");
        out_ += fmt::format("[^{}]", kWordClass);
        break;
      case 'u':
        return code_point();
      case 'x':
        out_ += R"(\x)";  // two digits or {...}, in both
        break;
      case 'p':
      case 'P':
        return property();
      default:
        if (is_word_byte(c) && kSamePlainEscapes.find(c) == std::string_view::npos) {
          return unsupported(fmt::format("\"\\{}\"", c));
        }
        out_.push_back('\\');
        out_.push_back(c);
    }
    at_ += 2;
    return {};
  }

  // \uHHHH
  Result<void> code_point() {
    const std::string_view digits = pattern_.substr(at_ + 2, 4);
    if (digits.size() != 4 || !std::all_of(digits.begin(), digits.end(), is_hex)) {
      return unsupported("\"\\u\" without four hexadecimal digits");
    }
    out_ += fmt::format("\\x{{{}}}", digits);
    at_ += 6;
    return {};
  }

  // \p{Name}, \p{^Name}, \pL
  Result<void> property() {
    const std::size_t open = at_ + 2;
    if (open >= pattern_.size() || pattern_[open] != '{') {
      out_.append(pattern_.substr(at_, 2));
      at_ += 2;
      return {};
    }
    const std::size_t close = pattern_.find('}', open);
    if (close == std::string_view::npos) return unsupported("a property without \"}\"");
    std::string_view name = pattern_.substr(open + 1, close - open - 1);
    out_.append(pattern_.substr(at_, 3));
    if (name.starts_with('^')) {
      out_.push_back('^');
      name.remove_prefix(1);
    }
    if (std::find(kScripts.begin(), kScripts.end(), name) != kScripts.end()) out_ += "sc:";
    out_.append(name);
    out_.push_back('}');
    at_ = close + 1;
    return {};
  }

  std::string_view pattern_;
  std::size_t at_ = 0;
  bool in_class_ = false;
  std::string out_;
};

}  // namespace

Result<std::string> to_pcre2_dialect(std::string_view pattern) {
  return Rewriter(pattern).run();
}

}  // namespace llorch::tokenizer
