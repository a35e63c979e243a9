#include "tokenizer/spm_tokenizer.hpp"

#include <algorithm>

#include "tokenizer/spm_vocabulary.hpp"

namespace llorch::tokenizer {
namespace {

// The rules that turn a stretch of raw text into what the vocabulary encodes.
struct TextRules {
  SpacePrefix space_prefix = SpacePrefix::kNone;
  bool prefix_only_where_missing = false;
  bool user_defined_is_text = false;
  bool strips_leading_space = false;
  bool remove_extra_spaces = false;
};

void squeeze_spaces(std::string& text) {
  std::size_t size = 0;
  for (const char c : text) {
    if (c == ' ' && (size == 0 || text[size - 1] == ' ')) continue;
    text[size++] = c;
  }
  if (size > 0 && text[size - 1] == ' ') --size;
  text.resize(size);
}

class SpmTokenizer final : public Tokenizer {
 public:
  SpmTokenizer(SpmVocabulary vocabulary, AddedTokens added, SpecialIds ids, TextRules rules)
      : vocabulary_(std::move(vocabulary)), added_(std::move(added)), ids_(std::move(ids)), rules_(rules) {}

  [[nodiscard]] std::string_view kind() const override { return "SentencePiece BPE"; }
  [[nodiscard]] std::uint32_t vocab_size() const override {
    return static_cast<std::uint32_t>(vocabulary_.table().size());
  }

  [[nodiscard]] std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options) const override {
    std::vector<TokenId> out;
    out.reserve(text.size() / 3 + ids_.prefix.size() + ids_.suffix.size() + 1);
    if (options.add_special) out.insert(out.end(), ids_.prefix.begin(), ids_.prefix.end());
    bool is_first = true;        // nothing of the text has been seen
    bool begins_stretch = true;  // nothing but special tokens before it
    for (const Segment& segment : added_.split(text, options.parse_special, options.literal)) {
      const bool wants_space = begins_stretch && (rules_.space_prefix == SpacePrefix::kEveryText ||
                                                  (rules_.space_prefix == SpacePrefix::kFirstText && is_first));
      if (!segment.token) {
        encode_stretch(segment.text, wants_space, out);
        begins_stretch = false;
      } else {
        const bool is_text = rules_.user_defined_is_text && !is_special(*segment.token);
        if (is_text && wants_space) vocabulary_.encode(" ", out);
        out.push_back(*segment.token);
        begins_stretch = !is_text;
      }
      is_first = false;
    }
    if (options.add_special) out.insert(out.end(), ids_.suffix.begin(), ids_.suffix.end());
    return out;
  }

  [[nodiscard]] std::string_view token_bytes(TokenId id) const override {
    return contains(id) ? vocabulary_.table().bytes(index(id)) : std::string_view();
  }
  [[nodiscard]] bool is_special(TokenId id) const override { return contains(id) && ids_.special[index(id)]; }
  [[nodiscard]] std::optional<TokenId> bos() const override { return ids_.bos; }
  [[nodiscard]] std::optional<TokenId> eos() const override { return ids_.eos; }
  [[nodiscard]] bool ends_generation(TokenId id) const override { return contains(id) && ids_.ends[index(id)]; }
  [[nodiscard]] bool adds_leading_space() const override { return rules_.strips_leading_space; }

  [[nodiscard]] std::optional<TokenId> find(std::string_view token) const override {
    for (const AddedToken& added : added_.tokens()) {
      if (added.content == token) return added.id;
    }
    const TokenTable::Entry* entry = vocabulary_.table().find(with_spaces(token));
    if (entry != nullptr) return entry->id;
    const auto byte = byte_of_spelling(token);
    return byte ? vocabulary_.byte_token(*byte) : std::nullopt;
  }

 private:
  static std::size_t index(TokenId id) { return static_cast<std::size_t>(id); }
  [[nodiscard]] bool contains(TokenId id) const { return id >= 0 && index(id) < vocabulary_.table().size(); }

  void encode_stretch(std::string_view text, bool wants_space, std::vector<TokenId>& out) const {
    std::string ready = with_spaces(text);
    if (rules_.remove_extra_spaces) squeeze_spaces(ready);
    if (ready.empty()) return;
    if (wants_space && !(rules_.prefix_only_where_missing && ready.front() == ' ')) ready.insert(ready.begin(), ' ');
    vocabulary_.encode(ready, out);
  }

  SpmVocabulary vocabulary_;
  AddedTokens added_;
  SpecialIds ids_;
  TextRules rules_;
};

}  // namespace

Result<std::unique_ptr<Tokenizer>> make_spm_tokenizer(const SpmSpec& spec) {
  auto vocabulary = SpmVocabulary::build(spec);
  if (!vocabulary) return vocabulary.error();
  auto ids = check_special_ids(spec, vocabulary->table().size());
  if (!ids) return ids.error();
  return std::unique_ptr<Tokenizer>(std::make_unique<SpmTokenizer>(
      std::move(*vocabulary), AddedTokens(spec.added), std::move(*ids),
      TextRules{.space_prefix = spec.space_prefix,
                .prefix_only_where_missing = spec.prefix_only_where_missing,
                .user_defined_is_text = spec.user_defined_is_text,
                .strips_leading_space = spec.strips_leading_space.value_or(spec.space_prefix != SpacePrefix::kNone),
                .remove_extra_spaces = spec.remove_extra_spaces}));
}

}  // namespace llorch::tokenizer
