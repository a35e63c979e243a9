#include "json.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace llorch::gpu_check {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Json document() {
    Json out = value(0);
    blanks();
    if (at_ != text_.size()) fail("nothing more");
    return out;
  }

 private:
  static constexpr int kDeepest = 64;

  [[noreturn]] void fail(const char* expected) const {
    throw std::runtime_error("JSON: expected " + std::string(expected) + " at byte " + std::to_string(at_));
  }
  void blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r'))
      ++at_;
  }
  bool take(char c) {
    blanks();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool take_word(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  Json value(int depth) {
    if (depth > kDeepest) fail("less depth");
    Json out;
    blanks();
    if (take('{')) {
      out.kind = Json::Kind::kObject;
      while (!take('}')) {
        if (!out.members.empty() && !take(',')) fail("',' or '}'");
        blanks();
        std::string key = string();
        if (!take(':')) fail("':'");
        out.members[std::move(key)] = value(depth + 1);
      }
    } else if (take('[')) {
      out.kind = Json::Kind::kArray;
      while (!take(']')) {
        if (!out.elements.empty() && !take(',')) fail("',' or ']'");
        out.elements.push_back(value(depth + 1));
      }
    } else if (at_ < text_.size() && text_[at_] == '"') {
      out.kind = Json::Kind::kString;
      out.text = string();
    } else if (take_word("true") || take_word("false")) {
      out.kind = Json::Kind::kBool;
      out.number = text_[at_ - 2] == 'u' ? 1 : 0;
    } else if (!take_word("null")) {
      out.kind = Json::Kind::kNumber;
      const std::string digits(text_.substr(at_, 40));
      char* end = nullptr;
      out.number = std::strtod(digits.c_str(), &end);
      if (end == digits.c_str()) fail("a value");
      at_ += static_cast<std::size_t>(end - digits.c_str());
    }
    return out;
  }

  std::string string() {
    if (at_ >= text_.size() || text_[at_] != '"') fail("a string");
    ++at_;
    std::string out;
    while (at_ < text_.size() && text_[at_] != '"') {
      char c = text_[at_++];
      if (c == '\\' && at_ < text_.size()) {
        c = text_[at_++];
        if (c == 'u') {
          unicode(out);
          continue;
        }
        c = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c == 'b' ? '\b' : c == 'f' ? '\f' : c;
      }
      out += c;
    }
    if (at_ >= text_.size()) fail("'\"'");
    ++at_;
    return out;
  }

  /// Without pairs of surrogates, which our fixtures do not use where it matters.
  void unicode(std::string& out) {
    const std::string digits(text_.substr(at_, 4));
    at_ += 4;
    const auto c = static_cast<std::uint32_t>(std::strtoul(digits.c_str(), nullptr, 16));
    if (c < 0x80) {
      out += static_cast<char>(c);
    } else if (c < 0x800) {
      out += static_cast<char>(0xC0U | (c >> 6U));
      out += static_cast<char>(0x80U | (c & 0x3FU));
    } else {
      out += static_cast<char>(0xE0U | (c >> 12U));
      out += static_cast<char>(0x80U | ((c >> 6U) & 0x3FU));
      out += static_cast<char>(0x80U | (c & 0x3FU));
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Json Json::parse(std::string_view text) {
  return Reader(text).document();
}

const Json* Json::find(const std::string& key) const {
  const auto found = members.find(key);
  return found == members.end() ? nullptr : &found->second;
}

const Json& Json::at(const std::string& key) const {
  const Json* found = find(key);
  if (found == nullptr) throw std::runtime_error("JSON: no member \"" + key + "\"");
  return *found;
}

std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
      out += escape;
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace llorch::gpu_check
