#include "tokenizer/added_tokens.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "tokenizer/unicode_classes.hpp"
#include "tokenizer/utf8.hpp"

namespace llorch::tokenizer {
namespace {

// The character that ends where the text ends; nothing for invalid UTF-8 and empty text.
std::optional<Utf8Step> last_char(std::string_view text) {
  for (std::size_t back = 1; back <= 4 && back <= text.size(); ++back) {
    const Utf8Step step = decode_utf8(text, text.size() - back);
    if (step.status == Utf8Status::kValid) {
      return step.length == back ? std::optional<Utf8Step>(step) : std::nullopt;
    }
  }
  return std::nullopt;
}

bool ends_with_word_char(std::string_view text) {
  const auto step = last_char(text);
  return step && is_word_char(step->code_point);
}

bool starts_with_word_char(std::string_view text) {
  if (text.empty()) return false;
  const Utf8Step step = decode_utf8(text, 0);
  return step.status == Utf8Status::kValid && is_word_char(step.code_point);
}

// Where the white space at the end of text[from, to) starts.
std::size_t trailing_space_start(std::string_view text, std::size_t from, std::size_t to) {
  while (to > from) {
    const auto step = last_char(text.substr(from, to - from));
    if (!step || char_class(step->code_point) != CharClass::kSpace) break;
    to -= step->length;
  }
  return to;
}

std::size_t leading_space_end(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    const Utf8Step step = decode_utf8(text, at);
    if (step.status != Utf8Status::kValid || char_class(step.code_point) != CharClass::kSpace) break;
    at += step.length;
  }
  return at;
}

}  // namespace

bool looks_like_markup(std::string_view content) {
  constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581
  if (content.starts_with(kSpaceMark)) content.remove_prefix(kSpaceMark.size());
  if (content.size() < 3) return false;
  return (content.front() == '<' && content.back() == '>') || (content.front() == '[' && content.back() == ']');
}

std::vector<bool> markup_by_id(const std::vector<AddedToken>& tokens, std::size_t size) {
  std::vector<bool> by_id(size);
  for (const AddedToken& token : tokens) {
    const auto id = static_cast<std::size_t>(token.id);
    if (id < size) by_id[id] = looks_like_markup(token.content);
  }
  return by_id;
}

// Longest match at a position, byte by byte.
class AddedTokens::Trie {
 public:
  void insert(std::string_view content, std::uint32_t index) {
    std::uint32_t node = 0;
    for (const char byte : content) {
      const auto key = static_cast<std::uint8_t>(byte);
      auto& edges = nodes_[node].edges;
      const auto edge = std::lower_bound(edges.begin(), edges.end(), std::pair{key, std::uint32_t{0}});
      if (edge != edges.end() && edge->first == key) {
        node = edge->second;
        continue;
      }
      const auto child = static_cast<std::uint32_t>(nodes_.size());
      edges.insert(edge, {key, child});
      nodes_.emplace_back();
      node = child;
    }
    nodes_[node].token = index;
    starts_[static_cast<std::uint8_t>(content.front())] = true;
  }

  [[nodiscard]] bool empty() const { return nodes_.size() == 1; }

  [[nodiscard]] bool may_start_with(char byte) const { return starts_[static_cast<std::uint8_t>(byte)]; }

  /// Index of the longest token that starts at `at`.
  [[nodiscard]] std::optional<std::uint32_t> match(std::string_view text, std::size_t at) const {
    std::uint32_t node = 0;
    std::uint32_t found = kNoToken;
    for (; at < text.size(); ++at) {
      const auto key = static_cast<std::uint8_t>(text[at]);
      const auto& edges = nodes_[node].edges;
      const auto edge = std::lower_bound(edges.begin(), edges.end(), std::pair{key, std::uint32_t{0}});
      if (edge == edges.end() || edge->first != key) break;
      node = edge->second;
      if (nodes_[node].token != kNoToken) found = nodes_[node].token;
    }
    return found == kNoToken ? std::nullopt : std::optional<std::uint32_t>(found);
  }

 private:
  static constexpr std::uint32_t kNoToken = ~0u;
  struct Node {
    std::vector<std::pair<std::uint8_t, std::uint32_t>> edges;  // sorted by byte
    std::uint32_t token = kNoToken;
  };
  std::vector<Node> nodes_{1};
  std::array<bool, 256> starts_{};
};

AddedTokens::AddedTokens(std::vector<AddedToken> tokens)
    : tokens_(std::move(tokens)), raw_(std::make_unique<Trie>()), normalized_(std::make_unique<Trie>()) {
  for (std::uint32_t i = 0; i < tokens_.size(); ++i) {
    (tokens_[i].normalized ? *normalized_ : *raw_).insert(tokens_[i].content, i);
  }
}

AddedTokens::~AddedTokens() = default;
AddedTokens::AddedTokens(AddedTokens&&) noexcept = default;
AddedTokens& AddedTokens::operator=(AddedTokens&&) noexcept = default;

// Which tokens are found. Offsets count from the beginning of the whole text.
struct AddedTokens::Rules {
  const char* origin;
  bool parse_special;
  std::span<const TextRange> literal;

  [[nodiscard]] bool finds(const AddedToken& token, std::string_view found) const {
    if (token.special) return parse_special && !touches_literal(found);
    return !touches_literal(found) || !looks_like_markup(token.content);
  }
  [[nodiscard]] bool touches_literal(std::string_view found) const {
    if (literal.empty()) return false;
    const auto begin = static_cast<std::size_t>(found.data() - origin);
    const auto range = std::upper_bound(literal.begin(), literal.end(), begin,
                                        [](std::size_t at, const TextRange& candidate) { return at < candidate.end; });
    return range != literal.end() && range->begin < begin + found.size();
  }
};

std::vector<Segment> AddedTokens::split(std::string_view text, bool parse_special,
                                        std::span<const TextRange> literal) const {
  const Rules rules{text.data(), parse_special, literal};
  std::vector<Segment> first;
  split_with(*raw_, text, rules, first);
  if (normalized_->empty()) return first;
  std::vector<Segment> second;
  for (const Segment& segment : first) {
    if (segment.token) {
      second.push_back(segment);
    } else {
      split_with(*normalized_, segment.text, rules, second);
    }
  }
  return second;
}

void AddedTokens::split_with(const Trie& trie, std::string_view text, const Rules& rules,
                             std::vector<Segment>& out) const {
  std::size_t done = 0;  // everything before it is in `out`
  const auto push_text = [&](std::size_t end) {
    if (end > done) out.push_back({text.substr(done, end - done), std::nullopt});
  };
  // A token that takes the white space after it along does not hide a token that starts in that white space, so the
  // space may be looked at again; `space_end` is remembered to keep that linear.
  std::size_t space_begin = 0;
  std::size_t space_end = 0;
  for (std::size_t at = 0; at < text.size() && !trie.empty();) {
    const auto index = trie.may_start_with(text[at]) ? trie.match(text, at) : std::nullopt;
    if (!index) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[*index];
    std::size_t begin = at;
    std::size_t end = at + token.content.size();
    at = end;
    if (!rules.finds(token, text.substr(begin, end - begin))) continue;
    if (token.single_word && (ends_with_word_char(text.substr(0, begin)) || starts_with_word_char(text.substr(end)))) {
      continue;
    }
    if (token.lstrip) begin = trailing_space_start(text, done, begin);
    if (token.rstrip) {
      if (end < space_begin || end > space_end) {
        space_begin = end;
        space_end = leading_space_end(text, end);
      }
      end = space_end;
    }
    push_text(begin);
    out.push_back({text.substr(begin, end - begin), token.id});
    done = end;
  }
  push_text(text.size());
}

}  // namespace llorch::tokenizer
