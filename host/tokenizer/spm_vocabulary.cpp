#include "tokenizer/spm_vocabulary.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "base/text.hpp"

namespace llorch::tokenizer {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581

// Bounds on what a hostile file can make us do: the splits of all tokens, and the steps of taking unused ones apart.
constexpr std::size_t kMaxMerges = std::size_t{1} << 22;
constexpr std::size_t kMaxSplits = std::size_t{1} << 23;
constexpr std::size_t kMaxUnusedSteps = std::size_t{1} << 25;

bool merging_can_make(PieceType type) {
  return type == PieceType::kNormal || type == PieceType::kUserDefined || type == PieceType::kUnused;
}

}  // namespace

std::string with_spaces(std::string_view spelling) {
  std::string bytes;
  bytes.reserve(spelling.size());
  while (!spelling.empty()) {
    const std::size_t mark = std::min(spelling.find(kSpaceMark), spelling.size());
    bytes.append(spelling.substr(0, mark));
    spelling.remove_prefix(mark);
    if (spelling.empty()) break;
    bytes.push_back(' ');
    spelling.remove_prefix(kSpaceMark.size());
  }
  return bytes;
}

namespace {

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return std::nullopt;
}

Error bad_token(const SpmSpec& spec, std::size_t id, std::string_view expected, std::string_view found) {
  return bad_spec(spec, fmt::format("{}[{}]: expected {}, found {}", spec.tokens_field, id, expected, found));
}

}  // namespace

std::optional<std::uint8_t> byte_of_spelling(std::string_view spelling) {
  if (spelling.size() != 6 || !spelling.starts_with("<0x") || spelling.back() != '>') return std::nullopt;
  const auto high = hex_digit(spelling[3]);
  const auto low = hex_digit(spelling[4]);
  if (!high || !low) return std::nullopt;
  return static_cast<std::uint8_t>(*high * 16 + *low);
}

Result<SpmVocabulary> SpmVocabulary::build(const SpmSpec& spec) {
  if (spec.tokens.empty() || spec.tokens.size() > kMaxVocabulary) {
    return bad_spec(spec, fmt::format("{}: expected 1 to {} tokens, found {}", spec.tokens_field, kMaxVocabulary,
                                      spec.tokens.size()));
  }
  if (spec.types.size() != spec.tokens.size() || spec.scores.size() != spec.tokens.size()) {
    return bad_spec(spec, fmt::format("{}: expected a type and a score for each of {} tokens, found {} types and {} "
                                      "scores",
                                      spec.tokens_field, spec.tokens.size(), spec.types.size(), spec.scores.size()));
  }
  SpmVocabulary vocabulary;
  vocabulary.fuse_unknown_ = spec.fuse_unknown;
  vocabulary.split_at_spaces_ = spec.split_at_spaces;
  if (auto ok = vocabulary.fill_table(spec); !ok) return ok.error();
  if (auto ok = vocabulary.fill_bytes(spec); !ok) return ok.error();
  if (auto ok = vocabulary.fill_symbols(spec); !ok) return ok.error();
  if (spec.by_merges) {
    if (auto ok = vocabulary.fill_listed_rules(spec); !ok) return ok.error();
  } else {
    vocabulary.fill_rules(spec);
  }
  if (auto ok = vocabulary.fill_unused(spec); !ok) return ok.error();
  vocabulary.mark_whole_tokens();
  return vocabulary;
}

Result<void> SpmVocabulary::fill_table(const SpmSpec& spec) {
  const auto added = added_by_id(spec);
  if (!added) return added.error();
  boost::unordered_flat_map<std::string_view, std::size_t> ids;  // by spelling
  for (std::size_t id = 0; id < added->size(); ++id) {
    const AddedToken* as_added = (*added)[id];
    const std::string_view spelling = id < spec.tokens.size() ? spec.tokens[id] : std::string_view();
    const PieceType type = id < spec.types.size() ? spec.types[id] : PieceType::kControl;
    if (as_added != nullptr && !spelling.empty() && spelling != as_added->content) {
      return bad_token(spec, id, fmt::format("{}, as among the added tokens", quote(as_added->content)),
                       quote(spelling));
    }
    if (!spelling.empty()) {
      const auto [other, is_new] = ids.emplace(spelling, id);
      if (!is_new)
        return bad_token(spec, id, "a spelling of its own",
                         fmt::format("{}, the token {}", quote(spelling), other->second));
    }
    if (as_added != nullptr) {
      table_.append(as_added->special ? as_added->content : with_spaces(as_added->content));
    } else if (type == PieceType::kByte) {
      const auto byte = byte_of_spelling(spelling);
      if (!byte) return bad_token(spec, id, "a byte, spelled like <0x0A>", quote(spelling));
      const char as_char = static_cast<char>(*byte);
      table_.append({&as_char, 1});
    } else if (merging_can_make(type)) {
      table_.append(with_spaces(spelling));
    } else {
      table_.append(spelling);
    }
  }
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
    const std::string_view spelling = spec.tokens[id];
    if ((*added)[id] != nullptr && (*added)[id]->special) continue;
    // A space in a spelling is no U+2581: merging never makes such a token, only its own spelling in the text does.
    if (!merging_can_make(spec.types[id]) || spelling.empty() || spelling.find(' ') != std::string_view::npos) continue;
    if (spelling.size() > kMaxPieceBytes) {
      return bad_token(spec, id, fmt::format("at most {} bytes", kMaxPieceBytes), std::to_string(spelling.size()));
    }
    if (std::isnan(spec.scores[id])) {
      return bad_spec(spec, fmt::format("score of token {} ({}): expected a number, found NaN", id, quote(spelling)));
    }
    // Different spellings have different bytes here, and equal ones were refused above.
    static_cast<void>(table_.index(id));
  }
  return {};
}

Result<void> SpmVocabulary::fill_bytes(const SpmSpec& spec) {
  if (!spec.byte_fallback) {
    if (!spec.unknown || *spec.unknown < 0 || static_cast<std::size_t>(*spec.unknown) >= spec.tokens.size()) {
      return bad_spec(
          spec, fmt::format("expected an unknown token below {}, as there is no byte fallback, found {}",
                            spec.tokens.size(), spec.unknown ? std::to_string(*spec.unknown) : std::string("none")));
    }
    unknown_ = *spec.unknown;
    return {};
  }
  std::array<TokenId, 256> tokens{};
  tokens.fill(-1);
  for (std::size_t id = 0; id < spec.types.size(); ++id) {
    if (spec.types[id] != PieceType::kByte) continue;
    TokenId& slot = tokens[static_cast<std::uint8_t>(table_.bytes(id).front())];
    if (slot >= 0) {
      return bad_token(spec, id, "one token a byte",
                       fmt::format("{}, the byte of token {}", quote(spec.tokens[id]), slot));
    }
    slot = static_cast<TokenId>(id);
  }
  const auto missing = std::count(tokens.begin(), tokens.end(), -1);
  if (missing > 0) {
    const auto first = std::find(tokens.begin(), tokens.end(), -1) - tokens.begin();
    return bad_spec(spec, fmt::format("{}: expected a token for each of the 256 bytes, found {}; the first missing is "
                                      "<0x{:02X}>",
                                      spec.tokens_field, 256 - missing, first));
  }
  byte_tokens_ = tokens;
  return {};
}

// Every character of a token that merging can make gets a symbol: its own token, or one after the last id.
Result<void> SpmVocabulary::fill_symbols(const SpmSpec& spec) {
  ascii_symbols_.fill(-1);
  std::size_t splits = 0;
  const auto set = [&](TextChar c, TokenId symbol) {
    if (c.key < 0x80) {
      ascii_symbols_[c.key] = symbol;
    } else {
      symbols_[c.key] = symbol;
    }
  };
  table_.for_each_entry([&](std::string_view bytes, const TokenTable::Entry& entry) {
    const TextChar first = read_char(bytes, 0);
    if (first.length == bytes.size()) set(first, entry.id);
  });
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) {  // by id, so that extra symbols are the same on every run
    const std::string_view bytes = table_.bytes(id);
    const TokenTable::Entry* entry = table_.find(bytes);
    if (entry == nullptr || static_cast<std::size_t>(entry->id) != id) continue;
    splits += bytes.size();
    TextChar last;
    for (std::size_t at = 0; at < bytes.size();) {
      const TextChar c = read_char(bytes, at);
      if (!symbol(c)) {
        set(c, static_cast<TokenId>(table_.size() + extra_symbols_.size()));
        extra_symbols_.emplace_back(bytes.substr(at, c.length));
      }
      if (at > 0) pairs_.add(last, c);
      last = c;
      at += c.length;
    }
  }
  if (splits <= kMaxSplits) return {};
  return bad_spec(spec, fmt::format("{}: expected at most {} bytes in all tokens, found {}", spec.tokens_field,
                                    kMaxSplits, splits));
}

std::optional<TokenId> SpmVocabulary::symbol(TextChar c) const {
  if (c.key < 0x80) {
    return ascii_symbols_[c.key] < 0 ? std::nullopt : std::optional<TokenId>(ascii_symbols_[c.key]);
  }
  const auto found = symbols_.find(c.key);
  return found == symbols_.end() ? std::nullopt : std::optional<TokenId>(found->second);
}

std::optional<TokenId> SpmVocabulary::symbol(std::string_view bytes) const {
  const TextChar first = read_char(bytes, 0);
  if (first.length == bytes.size()) return symbol(first);
  const TokenTable::Entry* entry = table_.find(bytes);
  return entry == nullptr ? std::nullopt : std::optional<TokenId>(entry->id);
}

// SentencePiece merges the two neighbours whose concatenation is the token with the highest score, the leftmost of
// equals. As rules: every way to cut a token into two symbols, ranked by score; equal scores have equal ranks.
void SpmVocabulary::fill_rules(const SpmSpec& spec) {
  const std::vector<bool> is_markup = markup_by_id(spec.added, spec.tokens.size());
  std::vector<TokenId> by_score;
  table_.for_each_entry([&](std::string_view bytes, const TokenTable::Entry& entry) {
    const bool is_long = read_char(bytes, 0).length < bytes.size();
    if (is_long && !is_markup[static_cast<std::size_t>(entry.id)]) by_score.push_back(entry.id);
  });
  const auto score = [&](TokenId id) { return spec.scores[static_cast<std::size_t>(id)]; };
  std::sort(by_score.begin(), by_score.end(), [&](TokenId a, TokenId b) { return score(a) > score(b); });

  std::uint32_t rank = 0;
  for (std::size_t i = 0; i < by_score.size(); ++i) {
    if (i > 0 && score(by_score[i]) < score(by_score[i - 1])) ++rank;
    const std::string_view bytes = table_.bytes(static_cast<std::size_t>(by_score[i]));
    for (std::size_t cut = read_char(bytes, 0).length; cut < bytes.size(); cut += read_char(bytes, cut).length) {
      const auto left = symbol(bytes.substr(0, cut));
      const auto right = left ? symbol(bytes.substr(cut)) : std::nullopt;
      if (right) merges_.set(*left, *right, {rank, by_score[i]});
    }
  }
}

Result<void> SpmVocabulary::fill_listed_rules(const SpmSpec& spec) {
  if (spec.merges.size() > kMaxMerges) {
    return bad_spec(spec, fmt::format("{}: expected at most {} merges, found {}", spec.merges_field, kMaxMerges,
                                      spec.merges.size()));
  }
  merges_.reserve(spec.merges.size());
  const std::vector<bool> is_markup = markup_by_id(spec.added, spec.tokens.size());
  for (std::size_t rank = 0; rank < spec.merges.size(); ++rank) {
    const auto& [left, right] = spec.merges[rank];
    const auto known = [&](std::string_view spelling) -> const TokenTable::Entry* {
      return spelling.find(' ') == std::string_view::npos ? table_.find(with_spaces(spelling)) : nullptr;
    };
    const auto* left_entry = known(left);
    const auto* right_entry = known(right);
    const auto* merged = left_entry && right_entry ? known(std::string(left).append(right)) : nullptr;
    if (merged == nullptr) {
      const std::string unknown = !left_entry    ? quote(left)
                                  : !right_entry ? quote(right)
                                                 : quote(std::string(left).append(right));
      return bad_spec(spec, fmt::format("{}[{}]: merge of {} and {}: expected tokens of the vocabulary, {} is not one",
                                        spec.merges_field, rank, quote(left), quote(right), unknown));
    }
    if (is_markup[static_cast<std::size_t>(merged->id)]) continue;
    merges_.set(left_entry->id, right_entry->id, {static_cast<std::uint32_t>(rank), merged->id});
  }
  return {};
}

// An unused token that merging has made falls back into the two symbols it was made of. Merges inside of it do not
// depend on what is around it, so these two are known beforehand: the last merge that its own characters lead to.
Result<void> SpmVocabulary::fill_unused(const SpmSpec& spec) {
  std::size_t steps = 0;
  std::vector<TokenId> symbols;
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
    if (spec.types[id] != PieceType::kUnused) continue;
    const std::string_view bytes = table_.bytes(id);
    const TokenTable::Entry* entry = table_.find(bytes);
    if (entry == nullptr || static_cast<std::size_t>(entry->id) != id) continue;
    symbols.clear();
    merge(bytes, symbols);
    if (symbols.size() != 1 || read_char(bytes, 0).length == bytes.size()) continue;  // never made of two
    steps += bytes.size() * bytes.size();
    if (steps > kMaxUnusedSteps) {
      return bad_spec(spec, fmt::format("{}: expected fewer or shorter tokens of type {} (unused)", spec.tokens_field,
                                        static_cast<int>(PieceType::kUnused)));
    }
    symbols.clear();
    for (std::size_t at = 0; at < bytes.size(); at += read_char(bytes, at).length)
      symbols.push_back(symbol(read_char(bytes, at)).value_or(-1));
    while (symbols.size() > 2) {
      std::size_t best = symbols.size();
      const MergeTable::Rule* best_rule = nullptr;
      for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
        const MergeTable::Rule* rule = merges_.find(symbols[i], symbols[i + 1]);
        if (rule != nullptr && (best_rule == nullptr || rule->rank < best_rule->rank)) {
          best = i;
          best_rule = rule;
        }
      }
      if (best_rule == nullptr) break;
      symbols[best] = best_rule->merged;
      symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    }
    if (symbols.size() == 2) unused_.emplace(entry->id, std::pair{symbols[0], symbols[1]});
  }
  return {};
}

// Finds out, once, for which tokens a look-up of their bytes gives what merging would give. Most words of a text are
// such tokens.
void SpmVocabulary::mark_whole_tokens() {
  std::vector<TokenId> result;
  table_.for_each_entry([&](std::string_view bytes, TokenTable::Entry& entry) {
    result.clear();
    encode_piece(bytes, result);
    entry.is_whole = result.size() == 1 && result.front() == entry.id;
  });
}

void SpmVocabulary::encode(std::string_view text, std::vector<TokenId>& out) const {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = pairs_.piece_end(text, at, split_at_spaces_);
    encode_piece(text.substr(at, end - at), out);
    at = end;
  }
}

void SpmVocabulary::encode_piece(std::string_view piece, std::vector<TokenId>& out) const {
  const TokenTable::Entry* entry = table_.find(piece);
  if (entry != nullptr && entry->is_whole) {
    out.push_back(entry->id);
    return;
  }
  const TextChar first = read_char(piece, 0);
  if (first.length == piece.size() && !symbol(first)) {
    emit_bytes(piece, out);
    return;
  }
  std::vector<TokenId> symbols;
  merge(piece, symbols);
  for (const TokenId symbol : symbols)
    emit(symbol, out);
}

void SpmVocabulary::merge(std::string_view piece, std::vector<TokenId>& out) const {
  std::array<TokenId, MergeTable::kMaxShort> on_stack;  // most words fit
  std::vector<TokenId> on_heap;
  std::span<TokenId> symbols = on_stack;
  if (piece.size() > on_stack.size()) {
    on_heap.resize(piece.size());
    symbols = on_heap;
  }
  std::size_t count = 0;
  for (std::size_t at = 0; at < piece.size();) {
    const TextChar c = read_char(piece, at);
    symbols[count++] = symbol(c).value_or(-1);  // only characters of tokens have neighbours inside a piece
    at += c.length;
  }
  merges_.merge(symbols.first(count), out);
}

void SpmVocabulary::emit(TokenId symbol, std::vector<TokenId>& out) const {
  const auto index = static_cast<std::size_t>(symbol);
  if (index >= table_.size()) {
    emit_bytes(extra_symbols_[index - table_.size()], out);
    return;
  }
  const auto parts = unused_.empty() ? unused_.end() : unused_.find(symbol);
  if (parts == unused_.end()) {
    out.push_back(symbol);
    return;
  }
  emit(parts->second.first, out);  // both are shorter: at most kMaxPieceBytes deep
  emit(parts->second.second, out);
}

void SpmVocabulary::emit_bytes(std::string_view bytes, std::vector<TokenId>& out) const {
  if (byte_tokens_) {
    for (const char byte : bytes)
      out.push_back((*byte_tokens_)[static_cast<std::uint8_t>(byte)]);
  } else if (!fuse_unknown_ || out.empty() || out.back() != unknown_) {
    out.push_back(unknown_);
  }
}

}  // namespace llorch::tokenizer
