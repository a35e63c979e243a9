#include "tokenizer/bpe_tokenizer.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.hpp"
#include "tokenizer/bpe_vocabulary.hpp"
#include "tokenizer/byte_alphabet.hpp"
#include "tokenizer/merge_table.hpp"

namespace llorch::tokenizer {
namespace {

constexpr TokenId kNoToken = -1;
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr std::size_t kMaxMerges = std::size_t{1} << 22;

/// Everything that encoding needs, checked.
struct BpeParts {
  TokenTable vocabulary;
  MergeTable merges;
  std::array<TokenId, 256> byte_tokens{};
  AddedTokens added;
  std::shared_ptr<const PreTokenizer> pre_tokenizer;
  SpecialIds ids;
  bool add_prefix_space = false;
  bool lacks_bytes = false;  ///< some entries of byte_tokens are kNoToken
};

/// Appends the tokens of one piece of text.
void encode_piece(const BpeParts& parts, std::string_view piece, std::vector<TokenId>& out) {
  const TokenTable::Entry* entry = parts.vocabulary.find(piece);
  if (entry != nullptr && entry->is_whole) {
    out.push_back(entry->id);
    return;
  }
  std::array<TokenId, MergeTable::kMaxShort> on_stack;  // most words fit
  std::vector<TokenId> on_heap;
  std::span<TokenId> symbols;
  if (piece.size() <= on_stack.size()) {
    symbols = std::span(on_stack).first(piece.size());
  } else {
    on_heap.resize(piece.size());
    symbols = on_heap;
  }
  for (std::size_t i = 0; i < piece.size(); ++i) {
    symbols[i] = parts.byte_tokens[static_cast<std::uint8_t>(piece[i])];
  }
  parts.merges.merge(symbols, out);
}

class BpeTokenizer final : public Tokenizer {
 public:
  explicit BpeTokenizer(BpeParts parts) : parts_(std::move(parts)) {}

  [[nodiscard]] std::string_view kind() const override { return "byte-level BPE"; }
  [[nodiscard]] std::uint32_t vocab_size() const override {
    return static_cast<std::uint32_t>(parts_.vocabulary.size());
  }

  [[nodiscard]] std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options) const override {
    std::vector<TokenId> out;
    out.reserve(text.size() / 3 + parts_.ids.prefix.size() + parts_.ids.suffix.size());
    if (options.add_special) out.insert(out.end(), parts_.ids.prefix.begin(), parts_.ids.prefix.end());
    for (const Segment& segment : parts_.added.split(text, options.parse_special, options.literal)) {
      if (segment.token) {
        out.push_back(*segment.token);
      } else if (parts_.add_prefix_space && segment.text.front() != ' ') {
        encode_text(std::string(" ").append(segment.text), out);
      } else {
        encode_text(segment.text, out);
      }
    }
    if (options.add_special) out.insert(out.end(), parts_.ids.suffix.begin(), parts_.ids.suffix.end());
    return out;
  }

  [[nodiscard]] std::string_view token_bytes(TokenId id) const override {
    return contains(id) ? parts_.vocabulary.bytes(static_cast<std::size_t>(id)) : std::string_view();
  }
  [[nodiscard]] bool is_special(TokenId id) const override { return contains(id) && parts_.ids.special[index(id)]; }
  [[nodiscard]] std::optional<TokenId> bos() const override { return parts_.ids.bos; }
  [[nodiscard]] std::optional<TokenId> eos() const override { return parts_.ids.eos; }
  [[nodiscard]] bool ends_generation(TokenId id) const override { return contains(id) && parts_.ids.ends[index(id)]; }

  [[nodiscard]] std::optional<TokenId> find(std::string_view token) const override {
    for (const AddedToken& added : parts_.added.tokens()) {
      if (added.content == token) return added.id;
    }
    const TokenTable::Entry* entry = parts_.vocabulary.find(token);
    return entry == nullptr ? std::nullopt : std::optional<TokenId>(entry->id);
  }

 private:
  static std::size_t index(TokenId id) { return static_cast<std::size_t>(id); }
  [[nodiscard]] bool contains(TokenId id) const { return id >= 0 && index(id) < parts_.vocabulary.size(); }

  // Bytes without a token stand no chance: U+FFFD takes their place.
  [[nodiscard]] std::string with_tokens_only(std::string_view text) const {
    std::string known;
    known.reserve(text.size());
    for (const char byte : text) {
      if (has_token(byte)) {
        known.push_back(byte);
      } else {
        known.append(kReplacement);
      }
    }
    return known;
  }
  [[nodiscard]] bool has_token(char byte) const {
    return parts_.byte_tokens[static_cast<std::uint8_t>(byte)] != kNoToken;
  }

  void encode_text(std::string_view text, std::vector<TokenId>& out) const {
    std::string known;
    if (parts_.lacks_bytes && !std::all_of(text.begin(), text.end(), [&](char byte) { return has_token(byte); })) {
      known = with_tokens_only(text);
      text = known;
    }
    std::vector<TextRange> pieces;
    parts_.pre_tokenizer->split(text, pieces);
    for (const TextRange& piece : pieces)
      encode_piece(parts_, text.substr(piece.begin, piece.end - piece.begin), out);
  }

  BpeParts parts_;
};

// Bytes that no text with a meaning has: real vocabularies leave out some of them. Control characters but for tab and
// newlines; bytes that never occur in UTF-8; the first bytes of planes without characters.
bool may_lack_a_token(unsigned byte) {
  return (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7F || byte == 0xC0 ||
         byte == 0xC1 || byte == 0xF1 || byte == 0xF2 || byte >= 0xF5;
}

Result<void> fill_byte_tokens(const BpeSpec& spec, BpeParts& parts) {
  std::size_t missing = 0;
  std::string first;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const char as_char = static_cast<char>(byte);
    const TokenTable::Entry* entry = parts.vocabulary.find({&as_char, 1});
    parts.byte_tokens[byte] = entry != nullptr ? entry->id : kNoToken;
    if (entry != nullptr) continue;
    parts.lacks_bytes = true;
    if (!may_lack_a_token(byte) && missing++ == 0) {
      first = fmt::format("0x{:02x}, spelled {}", byte, quote(bytes_to_spelling({&as_char, 1})));
    }
  }
  if (missing == 0) return {};
  return bad_spec(spec, fmt::format("{}: expected a token for each byte that texts are made of, found {} missing; the "
                                    "first missing is {}",
                                    spec.tokens_field, missing, first));
}

Result<void> fill_merges(const BpeSpec& spec, BpeParts& parts) {
  if (spec.merges.size() > kMaxMerges) {
    return bad_spec(spec, fmt::format("{}: expected at most {} merges, found {}", spec.merges_field, kMaxMerges,
                                      spec.merges.size()));
  }
  parts.merges.reserve(spec.merges.size());
  const std::vector<bool> is_markup = markup_by_id(spec.added, parts.vocabulary.size());
  for (std::size_t rank = 0; rank < spec.merges.size(); ++rank) {
    const auto& [left, right] = spec.merges[rank];
    const auto known = [&](std::string_view spelling) -> const TokenTable::Entry* {
      const auto bytes = spelling_to_bytes(spelling);
      return bytes && !bytes->empty() ? parts.vocabulary.find(*bytes) : nullptr;
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
    parts.merges.set(left_entry->id, right_entry->id, {static_cast<std::uint32_t>(rank), merged->id});
  }
  return {};
}

// Finds out, once, for which tokens a look-up of their bytes gives what merging would give. Most words of a text are
// such tokens.
void mark_whole_tokens(const BpeSpec& spec, BpeParts& parts) {
  std::vector<TokenId> result;
  const std::vector<bool> is_markup = markup_by_id(spec.added, parts.vocabulary.size());
  parts.vocabulary.for_each_entry([&](std::string_view bytes, TokenTable::Entry& entry) {
    if (spec.ignore_merges) {
      const auto id = static_cast<std::size_t>(entry.id);
      entry.is_whole = !parts.ids.special[id] && !is_markup[id];
      return;
    }
    result.clear();
    encode_piece(parts, bytes, result);
    entry.is_whole = result.size() == 1 && result.front() == entry.id;
  });
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> make_bpe_tokenizer(const BpeSpec& spec) {
  auto vocabulary = build_bpe_vocabulary(spec);
  if (!vocabulary) return vocabulary.error();
  BpeParts parts;
  parts.vocabulary = std::move(*vocabulary);
  parts.added = AddedTokens(spec.added);
  parts.add_prefix_space = spec.add_prefix_space;
  parts.pre_tokenizer = spec.pre_tokenizer          ? spec.pre_tokenizer
                        : spec.whole_text_is_a_word ? make_whole_text_pre_tokenizer()
                                                    : make_gpt2_pre_tokenizer();
  if (auto ok = fill_byte_tokens(spec, parts); !ok) return ok.error();
  if (auto ok = fill_merges(spec, parts); !ok) return ok.error();
  auto ids = check_special_ids(spec, parts.vocabulary.size());
  if (!ids) return ids.error();
  parts.ids = std::move(*ids);
  mark_whole_tokens(spec, parts);
  return std::unique_ptr<Tokenizer>(std::make_unique<BpeTokenizer>(std::move(parts)));
}

}  // namespace llorch::tokenizer
