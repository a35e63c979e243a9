// Patterns of tokenizer.json files, by PCRE2 with bounded steps and memory.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>

#include "base/text.hpp"
#include "tokenizer/pattern_dialect.hpp"
#include "tokenizer/pre_tokenizer.hpp"
#include "tokenizer/utf8.hpp"

namespace llorch::tokenizer {
namespace {

// Matching is bounded in steps, so that no pattern and no text can hold a thread up. A match gets a few steps; one that
// needs more is tried again with eight times as many, on a budget for the whole text. So much work is at most linear in
// the text, and a constant.
constexpr std::uint32_t kFirstMatchLimit = 2048;
constexpr std::uint32_t kNextLimitFactor = 8;
constexpr std::uint64_t kBudget = std::uint64_t{1} << 26;
// On the texts that a pattern is tried on when it is loaded, which are short.
constexpr std::uint64_t kTrialBudget = std::uint64_t{1} << 24;
constexpr std::uint32_t kHeapLimitKib = 256u << 10;
constexpr std::uint32_t kParenthesisLimit = 100;
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

template <auto kFree>
struct Free {
  template <class T>
  void operator()(T* pointer) const {
    kFree(pointer);
  }
};
using Code = std::unique_ptr<pcre2_code, Free<pcre2_code_free>>;
using MatchData = std::unique_ptr<pcre2_match_data, Free<pcre2_match_data_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Free<pcre2_match_context_free>>;
using CompileContext = std::unique_ptr<pcre2_compile_context, Free<pcre2_compile_context_free>>;

std::string message_of(int code) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(code, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

Result<Code> compile(std::string_view pattern) {
  const auto respelled = to_pcre2_dialect(pattern);
  if (!respelled) return respelled.error();
  const CompileContext context(pcre2_compile_context_create(nullptr));
  if (!context) return make_error(ErrorCode::kOutOfMemory, "no memory for a pattern");
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  pcre2_set_parens_nest_limit(context.get(), kParenthesisLimit);
  int error = 0;
  PCRE2_SIZE where = 0;
  Code code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(respelled->data()), respelled->size(),
                          PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error, &where,
                          context.get()));
  if (code) return code;
  return make_error(ErrorCode::kUnsupported, fmt::format("pattern {}: expected a regular expression, found: {}",
                                                         quote(pattern), message_of(error)));
}

/// A text of valid UTF-8 in place of any bytes: what is invalid becomes U+FFFD, byte by byte, which every class takes
/// for neither letter, number nor space. Offsets lead back.
class ValidText {
 public:
  explicit ValidText(std::string_view text) : text_(text) {
    std::size_t at = 0;
    while (at < text.size()) {
      const Utf8Step step = decode_utf8(text, at);
      if (step.status != Utf8Status::kValid) break;
      at += step.length;
    }
    if (at == text.size()) return;
    while (at < text.size()) {
      const Utf8Step step = decode_utf8(text, at);
      if (copy_.empty()) copy_.assign(text.substr(0, at));
      if (step.status == Utf8Status::kValid) {
        copy_.append(text.substr(at, step.length));
        at += step.length;
      } else {
        shifts_.push_back({copy_.size() + kReplacement.size(), kReplacement.size() - 1});
        if (shifts_.size() > 1) shifts_.back().by += shifts_[shifts_.size() - 2].by;
        copy_.append(kReplacement);
        ++at;
      }
    }
    text_ = copy_;
  }
  ValidText(const ValidText&) = delete;
  ValidText& operator=(const ValidText&) = delete;

  [[nodiscard]] std::string_view text() const { return text_; }
  /// Offsets must not go down from call to call.
  [[nodiscard]] std::size_t original(std::size_t at) {
    while (next_ < shifts_.size() && shifts_[next_].from <= at)
      ++next_;
    return next_ == 0 ? at : at - shifts_[next_ - 1].by;
  }

 private:
  struct Shift {
    std::size_t from;  // offsets in the copy from here on ...
    std::size_t by;    // ... are so much larger than in the original
  };
  std::string_view text_;
  std::string copy_;
  std::vector<Shift> shifts_;
  std::size_t next_ = 0;
};

struct Stretch {
  std::size_t begin;
  std::size_t end;
  bool is_match;
};

// Applies the rule's behavior to matches and what lies between them, as Hugging Face tokenizers does.
void put_pieces(const std::vector<Stretch>& stretches, SplitBehavior behavior, std::vector<TextRange>& pieces) {
  const std::size_t first = pieces.size();
  bool last_was_match = false;
  for (std::size_t i = 0; i < stretches.size(); ++i) {
    const Stretch& s = stretches[i];
    bool joins_last = false;
    switch (behavior) {
      case SplitBehavior::kIsolated:
        break;
      case SplitBehavior::kRemoved:
        if (s.is_match) continue;
        break;
      case SplitBehavior::kContiguous:
        joins_last = s.is_match == last_was_match;
        break;
      case SplitBehavior::kMergedWithPrevious:
        joins_last = s.is_match && !last_was_match;
        break;
      case SplitBehavior::kMergedWithNext:  // of several matches in a row, the last goes with what follows
        joins_last = !s.is_match && last_was_match;
        break;
    }
    if (joins_last && pieces.size() > first) {
      pieces.back().end = s.end;
    } else {
      pieces.push_back({s.begin, s.end});
    }
    last_was_match = s.is_match;
  }
}

class RegexSplit final : public PreTokenizer {
 public:
  RegexSplit(Code code, SplitBehavior behavior, bool invert)
      : code_(std::move(code)), behavior_(behavior), invert_(invert) {}

  void split(std::string_view text, std::vector<TextRange>& pieces) const override {
    std::vector<Stretch> stretches;
    std::size_t done = 0;
    find_all(text, kBudget, stretches, done);
    put_pieces(stretches, behavior_, pieces);
    while (done < text.size()) {  // the limit was hit
      const Utf8Step step = decode_utf8(text, done);
      const std::size_t length = step.status == Utf8Status::kValid ? step.length : std::size_t{1};
      pieces.push_back({done, done + length});
      done += length;
    }
  }

  /// PCRE2's code of what went wrong on this text, 0 when nothing did.
  [[nodiscard]] int trial(std::string_view text) const {
    std::vector<Stretch> stretches;
    std::size_t done = 0;
    return find_all(text, kTrialBudget, stretches, done);
  }

 private:
  // Matches and what lies between them; `done` is where the last stretch ends, the text's end unless an error is
  // returned.
  int find_all(std::string_view raw, std::uint64_t budget, std::vector<Stretch>& stretches, std::size_t& done) const {
    if (raw.empty()) return 0;
    ValidText valid(raw);
    const std::string_view text = valid.text();
    const MatchData data(pcre2_match_data_create_from_pattern(code_.get(), nullptr));
    const MatchContext context(pcre2_match_context_create(nullptr));
    if (!data || !context) return PCRE2_ERROR_NOMEMORY;
    pcre2_set_heap_limit(context.get(), kHeapLimitKib);

    std::size_t at = 0;
    const auto put = [&](std::size_t end, bool is_match) {
      const std::size_t begin = done;
      done = valid.original(end);
      if (done > begin) stretches.push_back({begin, done, is_match != invert_});
    };
    std::size_t last = 0;  // end of the last match
    while (at <= text.size()) {
      int found = PCRE2_ERROR_MATCHLIMIT;
      for (std::uint64_t limit = kFirstMatchLimit;; limit *= kNextLimitFactor) {
        if (limit > kFirstMatchLimit) {
          if (limit > budget) break;
          budget -= limit;
        }
        pcre2_set_match_limit(context.get(), static_cast<std::uint32_t>(limit));
        found = pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at, PCRE2_NO_UTF_CHECK,
                            data.get(), context.get());
        if (found != PCRE2_ERROR_MATCHLIMIT) break;
      }
      if (found == PCRE2_ERROR_NOMATCH) break;
      if (found < 0) return found;
      const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(data.get());
      const std::size_t begin = std::max<std::size_t>(offsets[0], last);
      const std::size_t end = std::max<std::size_t>(offsets[1], begin);
      if (begin > last) put(begin, false);
      if (end > begin) put(end, true);
      last = end;
      at = end;
      if (end == begin) {  // an empty match cuts, and the search goes on behind the next character
        if (at == text.size()) break;
        at += decode_utf8(text, at).length;
      }
    }
    if (last < text.size()) put(text.size(), false);
    return 0;
  }

  Code code_;
  SplitBehavior behavior_;
  bool invert_;
};

std::string escaped(std::string_view literal) {
  std::string pattern;
  for (const char c : literal) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       static_cast<unsigned char>(c) >= 0x80;
    if (!plain) pattern.push_back('\\');
    pattern.push_back(c);
  }
  return pattern;
}

// Texts on which patterns that backtrack without end do so.
std::vector<std::string> trial_texts() {
  std::vector<std::string> texts;
  constexpr std::size_t kSize = 2048;
  for (const std::string_view unit : {"a", "A", "1", " ", "\n", "!", "aA", "a ", "1 ", "!a", "ab1 ", "\xE4\xB8\x80",
                                      "\xF0\x9F\xA6\x99", "'s", " \n"}) {
    std::string text;
    while (text.size() < kSize)
      text += unit;
    for (const std::string_view end : {"", "!", "a", "1", " ", "\n", "~Za1!b-x. \n"})
      texts.push_back(text + std::string(end));
  }
  return texts;
}

}  // namespace

Result<std::unique_ptr<PreTokenizer>> make_regex_pre_tokenizer(const SplitRule& rule) {
  auto code = compile(rule.is_literal ? escaped(rule.pattern) : std::string(rule.pattern));
  if (!code) return code.error();
  auto split = std::make_unique<RegexSplit>(std::move(*code), rule.behavior, rule.invert);
  for (const std::string& text : trial_texts()) {
    const int error = split->trial(text);
    if (error == 0) continue;
    return make_error(ErrorCode::kUnsupported,
                      fmt::format("pattern {}: expected at most {} steps on a plain text of {} bytes, found: {}",
                                  quote(rule.pattern), kTrialBudget, text.size(), message_of(error)));
  }
  return std::unique_ptr<PreTokenizer>(std::move(split));
}

}  // namespace llorch::tokenizer
