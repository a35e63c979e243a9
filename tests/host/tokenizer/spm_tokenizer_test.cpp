// SentencePiece BPE, on vocabularies small enough to follow by hand and against its definition on random ones.
#include "tokenizer/spm_tokenizer.hpp"

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "support/spm_vocabulary.hpp"

namespace llorch::tokenizer {
namespace {

using llorch::testing::SpmPieces;
using Ids = std::vector<TokenId>;
constexpr TokenId kFirst = SpmPieces::kFirst;

std::unique_ptr<Tokenizer> make(const SpmSpec& spec) {
  auto tokenizer = make_spm_tokenizer(spec);
  BOOST_REQUIRE_MESSAGE(tokenizer, (tokenizer ? "" : tokenizer.error().message));
  return std::move(*tokenizer);
}

std::string failure(const SpmSpec& spec) {
  const auto tokenizer = make_spm_tokenizer(spec);
  if (tokenizer) return "none";
  BOOST_TEST((tokenizer.error().code == ErrorCode::kBadModel));
  return tokenizer.error().message;
}

Ids bytes_of(std::string_view text) {
  Ids ids;
  for (const char c : text)
    ids.push_back(SpmPieces::kByte0 + static_cast<std::uint8_t>(c));
  return ids;
}

std::string to_string(const Ids& ids) {
  std::string text;
  for (const TokenId id : ids)
    text += std::to_string(id) + " ";
  return text;
}

// 259 "_", 260 "h", 261 "e", 262 "he", 263 "_h", 264 "_he", 265 "__"
SpmPieces small_pieces() {
  SpmPieces pieces;
  pieces.add("_", -7).add("h", -8).add("e", -9).add("he", -1).add("_h", -2).add("_he", -3).add("__", -4);
  return pieces;
}

BOOST_AUTO_TEST_SUITE(spm_tokenizer)

BOOST_AUTO_TEST_CASE(the_highest_score_merges_first) {
  const auto pieces = small_pieces();
  const auto tokenizer = make(pieces.spec());
  BOOST_TEST((tokenizer->encode("he") == Ids{264}));
  BOOST_TEST((tokenizer->encode("hehe") == Ids{264, 262}));
  BOOST_TEST((tokenizer->encode("hh") == Ids{263, 260}));
  BOOST_TEST(tokenizer->encode("").empty());
  BOOST_TEST(tokenizer->kind() == "SentencePiece BPE");
  BOOST_TEST(tokenizer->vocab_size() == 266u);
}

BOOST_AUTO_TEST_CASE(equal_scores_merge_from_the_left) {
  SpmPieces pieces;
  pieces.add("a", -5).add("b", -5).add("ab", -1).add("ba", -1).add("aa", -1);
  auto spec = pieces.spec();
  spec.space_prefix = SpacePrefix::kNone;
  const auto tokenizer = make(spec);
  BOOST_TEST((tokenizer->encode("aba") == Ids{kFirst + 2, kFirst}));
  BOOST_TEST((tokenizer->encode("aab") == Ids{kFirst + 4, kFirst + 1}));
  BOOST_TEST((tokenizer->encode("aaa") == Ids{kFirst + 4, kFirst}));
}

BOOST_AUTO_TEST_CASE(spaces_are_marks_and_marks_in_a_text_are_spaces) {
  const auto pieces = small_pieces();
  const auto tokenizer = make(pieces.spec());
  BOOST_TEST((tokenizer->encode(" ") == Ids{265}));
  BOOST_TEST((tokenizer->encode("  ") == Ids{265, 259}));
  BOOST_TEST((tokenizer->encode("h h") == Ids{263, 263}));
  BOOST_TEST((tokenizer->encode("h\xE2\x96\x81h") == Ids{263, 263}));
}

BOOST_AUTO_TEST_CASE(characters_without_a_token_become_bytes) {
  const auto pieces = small_pieces();
  auto spec = pieces.spec();
  spec.space_prefix = SpacePrefix::kNone;
  const auto tokenizer = make(spec);
  for (const std::string text : {"x", "\xC3\xA4\xF0\x9F\xA6\x99", "\xFF\xC3", "\xE2\x96", "\n\t"}) {
    BOOST_TEST((tokenizer->encode(text) == bytes_of(text)), text);
    BOOST_TEST(tokenizer->decode(tokenizer->encode(text)) == text);
  }
  BOOST_TEST((tokenizer->encode("hxe") == Ids{260, bytes_of("x")[0], 261}));
}

BOOST_AUTO_TEST_CASE(without_byte_fallback_a_run_of_strange_characters_is_one_unknown_token) {
  const auto pieces = small_pieces();
  auto spec = pieces.spec();
  spec.byte_fallback = false;
  const auto tokenizer = make(spec);
  BOOST_TEST((tokenizer->encode("xyzhe\xC3\xA4") == Ids{259, 0, 262, 0}));
  spec.unknown.reset();
  BOOST_TEST(failure(spec).find("expected an unknown token below 266") != std::string::npos, failure(spec));
}

BOOST_AUTO_TEST_CASE(a_character_may_be_part_of_tokens_without_being_one) {
  SpmPieces pieces;
  pieces.add("a", -1).add("ab", -2).add("abc", -3);
  auto spec = pieces.spec();
  spec.space_prefix = SpacePrefix::kNone;
  const auto tokenizer = make(spec);
  BOOST_TEST((tokenizer->encode("abc") == Ids{kFirst + 2}));
  BOOST_TEST((tokenizer->encode("bca") == Ids{bytes_of("b")[0], bytes_of("c")[0], kFirst}));
}

BOOST_AUTO_TEST_CASE(the_space_before_a_text_follows_the_rule) {
  const auto pieces = small_pieces();
  const auto ids = [&](SpacePrefix rule, std::string_view text) {
    auto spec = pieces.spec();
    spec.space_prefix = rule;
    return make(spec)->encode(text, {.parse_special = true});
  };
  BOOST_TEST((ids(SpacePrefix::kNone, "he<s>he") == Ids{262, 1, 262}));
  BOOST_TEST((ids(SpacePrefix::kFirstText, "he<s>he") == Ids{264, 1, 262}));
  BOOST_TEST((ids(SpacePrefix::kFirstText, "<s>he") == Ids{1, 262}));
  BOOST_TEST((ids(SpacePrefix::kEveryText, "he<s>he<s><s>") == Ids{264, 1, 264, 1, 1}));
}

BOOST_AUTO_TEST_CASE(special_tokens_are_parsed_and_added_only_when_asked_for) {
  auto pieces = small_pieces();
  pieces.add("<tool>", 0, PieceType::kUserDefined);
  auto spec = pieces.spec();
  spec.prefix = {1};
  spec.suffix = {2};
  const auto tokenizer = make(spec);
  BOOST_TEST((tokenizer->encode("he", {.add_special = true}) == Ids{1, 264, 2}));
  BOOST_TEST((tokenizer->encode("", {.add_special = true}) == Ids{1, 2}));
  BOOST_TEST((tokenizer->encode("</s>", {.parse_special = true}) == Ids{2}));
  BOOST_TEST(
      (tokenizer->encode("</s>") == Ids{259, bytes_of("<")[0], bytes_of("/")[0], bytes_of("s")[0], bytes_of(">")[0]}));
  BOOST_TEST((tokenizer->encode("<tool>he") == Ids{266, 264}));
  BOOST_TEST(tokenizer->is_special(1));
  BOOST_TEST(!tokenizer->is_special(266));
}

// The letters of a control token's spelling merge into everything but that token.
BOOST_AUTO_TEST_CASE(text_never_merges_into_a_control_token) {
  SpmPieces pieces;
  pieces.add("<s", -1).add("s", -3).add(">", -3).add("<", -3);
  auto spec = pieces.spec();
  spec.space_prefix = SpacePrefix::kNone;
  BOOST_TEST((make(spec)->encode("<s>") == Ids{kFirst, kFirst + 2}));
}

BOOST_AUTO_TEST_CASE(unused_tokens_fall_back_into_what_they_were_made_of) {
  SpmPieces pieces;
  pieces.add("a", -9).add("b", -9).add("c", -9).add("ab", -1, PieceType::kUnused).add("abc", -2);
  pieces.add("bb", -3, PieceType::kUnused).add("bbb", -4, PieceType::kUnused);
  auto spec = pieces.spec();
  spec.space_prefix = SpacePrefix::kNone;
  const auto tokenizer = make(spec);
  BOOST_TEST((tokenizer->encode("abc") == Ids{kFirst + 4}));  // made by way of the unused one
  BOOST_TEST((tokenizer->encode("aba") == Ids{kFirst, kFirst + 1, kFirst}));
  BOOST_TEST((tokenizer->encode("bbb") == Ids{kFirst + 1, kFirst + 1, kFirst + 1}));
}

BOOST_AUTO_TEST_CASE(decoding_takes_the_leading_space_away_once) {
  const auto pieces = small_pieces();
  const auto tokenizer = make(pieces.spec());
  for (const std::string text : {"he", " he", "  he he ", "h\xC3\xA4", "", " "}) {
    BOOST_TEST(tokenizer->decode(tokenizer->encode(text)) == text);
  }
  BOOST_TEST(tokenizer->adds_leading_space());
  BOOST_TEST(tokenizer->decode({264, 264}) == "he he");
  BOOST_TEST(tokenizer->decode({1, 264, 2}) == "<s> he</s>");
  BOOST_TEST(tokenizer->decode({1, 264, 2}, false) == "he");
  BOOST_TEST(tokenizer->token_bytes(264) == " he");
  auto spec = pieces.spec();
  spec.space_prefix = SpacePrefix::kNone;
  BOOST_TEST(make(spec)->decode({264}) == " he");
}

BOOST_AUTO_TEST_CASE(extra_spaces_are_removed_where_the_file_says_so) {
  const auto pieces = small_pieces();
  auto spec = pieces.spec();
  spec.remove_extra_spaces = true;
  const auto tokenizer = make(spec);
  BOOST_TEST((tokenizer->encode("  he   he ") == Ids{264, 264}));
  BOOST_TEST(tokenizer->encode("   ").empty());
}

BOOST_AUTO_TEST_CASE(tokens_are_found_by_spelling_and_by_text) {
  const auto pieces = small_pieces();
  const auto tokenizer = make(pieces.spec());
  BOOST_TEST((tokenizer->find("<s>") == 1));
  BOOST_TEST((tokenizer->find(" he") == 264));
  BOOST_TEST((tokenizer->find("\xE2\x96\x81he") == 264));
  BOOST_TEST((tokenizer->find("<0x0A>") == SpmPieces::kByte0 + 10));
  BOOST_TEST(!tokenizer->find("nothing"));
}

BOOST_AUTO_TEST_CASE(ids_out_of_range_are_nothing) {
  const auto pieces = small_pieces();
  const auto tokenizer = make(pieces.spec());
  for (const TokenId id : {-1, 266, std::numeric_limits<TokenId>::max(), std::numeric_limits<TokenId>::min()}) {
    BOOST_TEST(tokenizer->token_bytes(id).empty());
    BOOST_TEST(!tokenizer->is_special(id));
    BOOST_TEST(!tokenizer->ends_generation(id));
  }
}

BOOST_AUTO_TEST_SUITE_END()

// ---- the definition ------------------------------------------------------------------------------------------------

// Start from characters; merge the two neighbours whose concatenation is the token of the highest score, the leftmost
// of equals, until there are none; spell what is no token in bytes.
struct Definition {
  std::map<std::string, TokenId> ids;
  std::vector<float> scores;
  std::vector<PieceType> types;

  explicit Definition(const SpmPieces& pieces) : scores(pieces.scores()), types(pieces.types()) {
    for (std::size_t id = 0; id < pieces.spellings().size(); ++id) {
      if (types[id] == PieceType::kNormal || types[id] == PieceType::kUnused) {
        ids[pieces.spellings()[id]] = static_cast<TokenId>(id);
      }
    }
  }

  void put(const std::string& symbol, const std::map<std::string, std::pair<std::string, std::string>>& made_of,
           Ids& out) const {
    const auto found = ids.find(symbol);
    if (found == ids.end()) {
      for (const TokenId id : bytes_of(symbol == "\xE2\x96\x81" ? " " : symbol))
        out.push_back(id);
      return;
    }
    const auto parts = made_of.find(symbol);
    if (types[static_cast<std::size_t>(found->second)] == PieceType::kUnused && parts != made_of.end()) {
      put(parts->second.first, made_of, out);
      put(parts->second.second, made_of, out);
      return;
    }
    out.push_back(found->second);
  }

  [[nodiscard]] Ids encode(const std::vector<std::string>& characters) const {
    std::vector<std::string> symbols = characters;
    std::map<std::string, std::pair<std::string, std::string>> made_of;
    for (;;) {
      std::size_t best = symbols.size();
      float best_score = 0;
      for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
        const auto found = ids.find(symbols[i] + symbols[i + 1]);
        if (found == ids.end()) continue;
        const float score = scores[static_cast<std::size_t>(found->second)];
        if (best == symbols.size() || score > best_score) {
          best = i;
          best_score = score;
        }
      }
      if (best == symbols.size()) break;
      made_of[symbols[best] + symbols[best + 1]] = {symbols[best], symbols[best + 1]};
      symbols[best] += symbols[best + 1];
      symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    }
    Ids out;
    for (const std::string& symbol : symbols)
      put(symbol, made_of, out);
    return out;
  }
};

BOOST_AUTO_TEST_SUITE(spm_definition)

BOOST_AUTO_TEST_CASE(random_vocabularies_encode_as_the_definition_says) {
  const std::vector<std::string> alphabet = {"a", "b", "c", "\xE2\x96\x81", "\xC3\xA4", "\xF0\x9F\xA6\x99", "\xFF"};
  std::mt19937 random(7);
  const auto any = [&](std::size_t below) { return static_cast<std::size_t>(random() % below); };
  for (int round = 0; round < 300; ++round) {
    SpmPieces pieces;
    std::map<std::string, bool> taken;
    const std::size_t tokens = 1 + any(60);
    for (std::size_t i = 0; i < tokens; ++i) {
      std::string spelling;
      for (std::size_t n = 1 + any(i < 8 ? 1 : 6); n > 0; --n)
        spelling += alphabet[any(5 + (n % 2))];
      if (!taken.emplace(spelling, true).second) continue;
      pieces.add(spelling, -static_cast<float>(any(12)), any(6) == 0 ? PieceType::kUnused : PieceType::kNormal);
    }
    auto spec = pieces.spec();
    spec.space_prefix = SpacePrefix::kNone;
    const auto tokenizer = make(spec);
    const Definition definition(pieces);
    for (int text_number = 0; text_number < 20; ++text_number) {
      std::vector<std::string> characters;
      std::string text;
      for (std::size_t n = any(120); n > 0; --n) {
        characters.push_back(alphabet[any(alphabet.size())]);
        text += characters.back() == "\xE2\x96\x81" ? std::string(" ") : characters.back();
      }
      const Ids expected = definition.encode(characters);
      const Ids found = tokenizer->encode(text);
      BOOST_REQUIRE_MESSAGE(found == expected, "round " << round << ", '" << text << "': expected "
                                                        << to_string(expected) << ", found " << to_string(found));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

// ---- hostile texts and files ----------------------------------------------------------------------------------------

BOOST_AUTO_TEST_SUITE(spm_hostile)

BOOST_AUTO_TEST_CASE(a_megabyte_of_anything_takes_seconds_at_most) {
  SpmPieces pieces;
  pieces.add("_", -1).add("a", -1).add("b", -1);
  std::string run = "a";
  for (int length = 2; length <= 64; length *= 2)
    pieces.add(run += run, -static_cast<float>(length));
  pieces.add("ab", -3).add("ba", -4).add("__", -2).add("____", -5);
  auto spec = pieces.spec();
  const auto tokenizer = make(spec);
  spec.split_at_spaces = true;
  const auto splitting = make(spec);
  const std::size_t size = 1u << 20;
  std::string alternating;
  while (alternating.size() < size)
    alternating += "ab";
  for (const std::string& text : {std::string(size, 'a'), std::string(size, ' '), std::string(size, 'x'),
                                  std::string(size, '\xFF'), alternating}) {
    const auto start = std::chrono::steady_clock::now();
    const auto ids = tokenizer->encode(text);
    BOOST_TEST((splitting->decode(splitting->encode(text)) == text));
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    BOOST_TEST(tokenizer->decode(ids) == text);
    BOOST_TEST(seconds.count() < 20.0);
  }
}

BOOST_AUTO_TEST_CASE(lists_that_do_not_fit_are_refused) {
  const auto pieces = small_pieces();
  auto spec = pieces.spec();
  spec.scores.pop_back();
  BOOST_TEST(failure(spec) ==
             "file: tokens: expected a type and a score for each of 266 tokens, found 266 types and 265 scores");
  spec = pieces.spec();
  spec.types.push_back(PieceType::kNormal);
  BOOST_TEST(failure(spec).find("found 267 types") != std::string::npos, failure(spec));
  BOOST_TEST(failure(SpmSpec{}).find("expected 1 to 1048576 tokens, found 0") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(doubled_tokens_are_refused) {
  auto pieces = small_pieces();
  pieces.add("he", -5);
  BOOST_TEST(failure(pieces.spec()) ==
             "file: tokens[266]: expected a spelling of its own, found \"he\", the token 262");
}

BOOST_AUTO_TEST_CASE(scores_must_be_numbers) {
  auto pieces = small_pieces();
  pieces.add("x", std::numeric_limits<float>::quiet_NaN());
  BOOST_TEST(failure(pieces.spec()) == "file: score of token 266 (\"x\"): expected a number, found NaN");
  auto infinite = small_pieces();
  infinite.add("xx", std::numeric_limits<float>::infinity()).add("xxx", -std::numeric_limits<float>::infinity());
  BOOST_TEST(failure(infinite.spec()) == "none");
}

BOOST_AUTO_TEST_CASE(byte_tokens_must_be_complete_and_spelled_so) {
  const auto pieces = small_pieces();
  auto spec = pieces.spec();
  spec.types[SpmPieces::kByte0 + 65] = PieceType::kNormal;
  BOOST_TEST(failure(spec) ==
             "file: tokens: expected a token for each of the 256 bytes, found 255; the first missing is <0x41>");
  spec = pieces.spec();
  spec.types[262] = PieceType::kByte;
  BOOST_TEST(failure(spec) == "file: tokens[262]: expected a byte, spelled like <0x0A>, found \"he\"");
  auto twice = small_pieces();
  twice.add("<0x0a>", 0, PieceType::kByte);
  BOOST_TEST(failure(twice.spec()) ==
             "file: tokens[266]: expected one token a byte, found \"<0x0a>\", the byte of token 13");
}

BOOST_AUTO_TEST_CASE(long_tokens_are_refused) {
  SpmPieces pieces;
  pieces.add(std::string(513, 'a'), 0);
  BOOST_TEST(failure(pieces.spec()) == "file: tokens[259]: expected at most 512 bytes, found 513");
  SpmPieces fitting;
  fitting.add(std::string(512, 'a'), 0);
  BOOST_TEST(failure(fitting.spec()) == "none");
}

BOOST_AUTO_TEST_CASE(ids_outside_the_vocabulary_are_refused) {
  const auto pieces = small_pieces();
  for (const TokenId id : {-1, 266, std::numeric_limits<TokenId>::max()}) {
    auto spec = pieces.spec();
    spec.bos = id;
    BOOST_TEST(failure(spec) == "file: bos token: expected a token id below 266, found " + std::to_string(id));
    spec = pieces.spec();
    spec.suffix = {id};
    BOOST_TEST(failure(spec) ==
               "file: token added around the text: expected a token id below 266, found " + std::to_string(id));
  }
}

BOOST_AUTO_TEST_CASE(many_long_unused_tokens_are_refused_in_time) {
  SpmPieces pieces;
  pieces.add("a", 0);
  for (int i = 2; i <= 512; ++i)
    pieces.add(std::string(static_cast<std::size_t>(i), 'a'), -static_cast<float>(i), PieceType::kUnused);
  const std::string found = failure(pieces.spec());
  BOOST_TEST(found.find("expected fewer or shorter tokens of type 5 (unused)") != std::string::npos, found);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace llorch::tokenizer
