// SentencePiece metadata of GGUF files: every key, its default, and what broken values get.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gguf_file.hpp"
#include "support/spm_vocabulary.hpp"

namespace llorch::tokenizer {
namespace {

using llorch::testing::SpmPieces;
using model_file::Array;
using model_file::ElementType;
using model_file::Metadata;
using model_file::Value;
using Ids = std::vector<TokenId>;

constexpr TokenId kSpace = SpmPieces::kFirst;  // "_", "h", "e", "he", "_he", "<t>" (user-defined)
constexpr TokenId kBareHe = kSpace + 3;
constexpr TokenId kSpaceHe = kSpace + 4;
constexpr TokenId kTool = kSpace + 5;
constexpr std::uint64_t kTokens = 265;

struct SpmFile : GgufFile {
  SpmFile() {
    SpmPieces pieces;
    pieces.add("_", -7).add("h", -8).add("e", -9).add("he", -1).add("_he", -2).add("<t>", 0, PieceType::kUserDefined);
    tokens.assign(pieces.spellings().begin(), pieces.spellings().end());
    scores = pieces.scores();
    for (const PieceType type : pieces.types())
      types.push_back(static_cast<std::int32_t>(type));
    values["tokenizer.ggml.model"] = std::string_view("llama");
    set_id("bos", 1);
    set_id("eos", 2);
    set_id("unknown", 0);
  }

  static std::string id_key(const std::string& name) { return "tokenizer.ggml." + name + "_token_id"; }
  void set_id(const std::string& name, const Value& id) { values[id_key(name)] = id; }
  void set_id(const std::string& name, int id) { values[id_key(name)] = static_cast<std::uint64_t>(id); }
  void set(const std::string& name, const Value& value) { values["tokenizer.ggml." + name] = value; }
  void without_ids() {
    for (const char* name : {"bos", "eos", "unknown"})
      values.erase(id_key(name));
  }
};

std::string failure_with(const std::function<void(SpmFile&)>& change) {
  SpmFile file;
  change(file);
  return file.failure();
}

void check_names(const std::string& message, const std::string& key) {
  BOOST_TEST(message.starts_with("file.gguf"), message);
  BOOST_TEST(message.find(key) != std::string::npos, "expected a message about " << key << ", found: " << message);
}

BOOST_AUTO_TEST_SUITE(gguf_sentencepiece)

BOOST_AUTO_TEST_CASE(lists_and_ids_are_read) {
  const auto tokenizer = SpmFile().loaded();
  BOOST_TEST(tokenizer->kind() == "SentencePiece BPE");
  BOOST_TEST(tokenizer->vocab_size() == kTokens);
  BOOST_TEST((tokenizer->encode("hehe<t>he", {.add_special = true}) == Ids{1, kSpaceHe, kBareHe, kTool, kSpaceHe}));
  BOOST_TEST((tokenizer->bos() == 1));
  BOOST_TEST((tokenizer->eos() == 2));
  BOOST_TEST(tokenizer->ends_generation(2));
  for (const TokenId id : {0, 1, 2})
    BOOST_TEST(tokenizer->is_special(id));
  for (const TokenId id : {3, 258, kBareHe, kTool})
    BOOST_TEST(!tokenizer->is_special(id));
}

// ---- options -------------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(add_space_prefix_says_whether_a_space_goes_before_every_stretch) {
  SpmFile file;
  for (const bool wanted : {true, false}) {
    file.set("add_space_prefix", wanted);
    const auto tokenizer = file.loaded();
    const TokenId he = wanted ? kSpaceHe : kBareHe;
    BOOST_TEST((tokenizer->encode("he<s>he", {.parse_special = true}) == Ids{he, 1, he}));
    BOOST_TEST(tokenizer->adds_leading_space() == wanted);
    BOOST_TEST(tokenizer->decode({kSpaceHe}) == (wanted ? "he" : " he"));
  }
}

BOOST_AUTO_TEST_CASE(remove_extra_whitespaces_removes_them) {
  SpmFile file;
  BOOST_TEST((file.loaded()->encode("  he  he ") == Ids{kSpace, kSpace, kSpaceHe, kSpace, kSpaceHe, kSpace}));
  file.set("remove_extra_whitespaces", false);
  BOOST_TEST((file.loaded()->encode(" he") == Ids{kSpace, kSpaceHe}));
  file.set("remove_extra_whitespaces", true);
  BOOST_TEST((file.loaded()->encode("  he  he ") == Ids{kSpaceHe, kSpaceHe}));
}

BOOST_AUTO_TEST_CASE(add_bos_token_and_add_eos_token_say_what_goes_around_a_text) {
  const auto around = [](std::optional<bool> bos, std::optional<bool> eos) {
    SpmFile file;
    if (bos) file.set("add_bos_token", *bos);
    if (eos) file.set("add_eos_token", *eos);
    return file.loaded()->encode("he", {.add_special = true});
  };
  BOOST_TEST((around({}, {}) == Ids{1, kSpaceHe}));
  BOOST_TEST((around(true, false) == Ids{1, kSpaceHe}));
  BOOST_TEST((around(false, {}) == Ids{kSpaceHe}));
  BOOST_TEST((around(false, true) == Ids{kSpaceHe, 2}));
  BOOST_TEST((around({}, true) == Ids{1, kSpaceHe, 2}));
}

BOOST_AUTO_TEST_CASE(options_of_another_type_are_refused) {
  for (const char* name : {"add_space_prefix", "remove_extra_whitespaces", "add_bos_token", "add_eos_token"}) {
    check_names(failure_with([&](SpmFile& f) { f.set(name, std::uint64_t{1}); }), name);
    check_names(failure_with([&](SpmFile& f) { f.set(name, std::string_view("true")); }), name);
  }
}

BOOST_AUTO_TEST_CASE(a_rule_without_its_token_is_refused) {
  for (const std::string name : {"bos", "eos"}) {
    const std::string message = failure_with([&](SpmFile& f) {
      f.without_ids();
      f.types[1] = f.types[2] = 1;  // no control tokens where SentencePiece has these two
      f.set("add_" + name + "_token", true);
    });
    BOOST_TEST(message == fmt::format("file.gguf: tokenizer.ggml.add_{0}_token: expected tokenizer.ggml.{0}_token_id "
                                      "beside it, found none",
                                      name));
  }
}

// ---- ids -----------------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(ids_that_are_not_said_are_those_of_sentencepiece_where_the_types_fit) {
  SpmFile file;
  file.without_ids();
  auto tokenizer = file.loaded();
  BOOST_TEST((tokenizer->bos() == 1));
  BOOST_TEST((tokenizer->eos() == 2));
  BOOST_TEST(tokenizer->ends_generation(2));
  BOOST_TEST((tokenizer->encode("he", {.add_special = true}) == Ids{1, kSpaceHe}));
  file.types[1] = file.types[2] = 1;
  tokenizer = file.loaded();
  BOOST_TEST((tokenizer->bos() == std::nullopt));
  BOOST_TEST((tokenizer->eos() == std::nullopt));
  BOOST_TEST((tokenizer->encode("he", {.add_special = true}) == Ids{kSpaceHe}));
}

BOOST_AUTO_TEST_CASE(ids_that_are_said_win) {
  SpmFile file;
  file.set_id("bos", 2);
  file.set_id("eos", 1);
  file.set_id("eot", static_cast<int>(kTool));
  const auto tokenizer = file.loaded();
  BOOST_TEST((tokenizer->encode("he", {.add_special = true}) == Ids{2, kSpaceHe}));
  for (const TokenId id : {TokenId{1}, kTool})
    BOOST_TEST(tokenizer->ends_generation(id));
}

BOOST_AUTO_TEST_CASE(ids_outside_the_vocabulary_are_refused) {
  for (const std::string name : {"bos", "eos", "unknown", "eot", "eom", "padding", "separator"}) {
    for (const std::uint64_t id : {kTokens, std::uint64_t{0xFFFFFFFE}, ~std::uint64_t{0}}) {
      BOOST_TEST(failure_with([&](SpmFile& f) { f.set_id(name, Value(id)); }) ==
                 "file.gguf: " + SpmFile::id_key(name) + ": expected a token id below 265, found " +
                     std::to_string(id));
    }
    check_names(failure_with([&](SpmFile& f) { f.set_id(name, Value(std::int64_t{-1})); }), SpmFile::id_key(name));
    check_names(failure_with([&](SpmFile& f) { f.set_id(name, Value(std::string_view("1"))); }), SpmFile::id_key(name));
  }
}

BOOST_AUTO_TEST_CASE(minus_one_in_32_bits_means_none_but_not_for_the_ends_of_text) {
  constexpr std::uint64_t kNone = 0xFFFFFFFF;
  for (const std::string name : {"unknown", "eot", "eom", "padding", "separator"})
    BOOST_TEST(failure_with([&](SpmFile& f) { f.set_id(name, Value(kNone)); }) == "none");
  for (const std::string name : {"bos", "eos"}) {
    BOOST_TEST(failure_with([&](SpmFile& f) { f.set_id(name, Value(kNone)); }) ==
               "file.gguf: " + SpmFile::id_key(name) + ": expected a token id below 265, found 4294967295");
  }
}

// ---- scores --------------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(scores_are_required) {
  BOOST_TEST(failure_with([](SpmFile& f) { f.scores.clear(); }) ==
             "file.gguf: tokenizer.ggml.scores: expected scores, one a token, found nothing");
}

BOOST_AUTO_TEST_CASE(scores_of_another_length_are_refused) {
  BOOST_TEST(failure_with([](SpmFile& f) { f.scores.pop_back(); }) ==
             "file.gguf: tokenizer.ggml.scores: expected 265 scores, one a token, found 264");
  BOOST_TEST(failure_with([](SpmFile& f) { f.scores.push_back(0); }) ==
             "file.gguf: tokenizer.ggml.scores: expected 265 scores, one a token, found 266");
}

BOOST_AUTO_TEST_CASE(scores_of_another_type_are_refused) {
  const std::vector<std::int32_t> integers(kTokens);
  check_names(failure_with([&](SpmFile& f) { f.set("scores", SpmFile::scalars(ElementType::kI32, integers)); }),
              "tokenizer.ggml.scores");
  check_names(failure_with([&](SpmFile& f) { f.set("scores", std::string_view("x")); }), "tokenizer.ggml.scores");
  check_names(failure_with([&](SpmFile& f) { f.set("scores", 1.0); }), "tokenizer.ggml.scores");
}

BOOST_AUTO_TEST_CASE(a_score_that_is_not_a_number_is_refused) {
  BOOST_TEST(failure_with([](SpmFile& f) { f.scores[kBareHe] = std::numeric_limits<float>::quiet_NaN(); }) ==
             "file.gguf: score of token 262 (\"he\"): expected a number, found NaN");
}

// ---- types ---------------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(types_that_are_not_said_are_guessed_from_the_spelling) {
  SpmFile file;
  file.types.clear();
  for (const bool says_ids : {true, false}) {
    if (!says_ids) file.without_ids();
    const auto tokenizer = file.loaded();
    BOOST_TEST((tokenizer->encode("he\n", {.add_special = true}) == Ids{1, kSpaceHe, SpmPieces::kByte0 + '\n'}));
    BOOST_TEST((tokenizer->encode("<s></s>", {.parse_special = true}) == Ids{1, 2}));
    BOOST_TEST(tokenizer->ends_generation(2));
    for (const TokenId id : {0, 1, 2})
      BOOST_TEST(tokenizer->is_special(id));
    BOOST_TEST(!tokenizer->is_special(kTool));  // an ordinary token, as nothing says what it is
  }
}

BOOST_AUTO_TEST_CASE(of_a_vocabulary_without_types_the_tokens_that_ids_name_are_special) {
  SpmFile file;
  file.types.clear();
  file.set_id("bos", static_cast<int>(kTool));
  file.set_id("eos", static_cast<int>(kTool));
  const auto tokenizer = file.loaded();
  BOOST_TEST(tokenizer->is_special(kTool));
  BOOST_TEST(!tokenizer->is_special(1));
  BOOST_TEST((tokenizer->encode("he", {.add_special = true}) == Ids{kTool, kSpaceHe}));
}

BOOST_AUTO_TEST_CASE(types_of_another_length_or_type_are_refused) {
  BOOST_TEST(failure_with([](SpmFile& f) { f.types.pop_back(); }) ==
             "file.gguf: tokenizer.ggml.token_type: expected 265 types, one a token, found 264");
  const std::vector<float> fractions(kTokens, 1);
  check_names(failure_with([&](SpmFile& f) { f.set("token_type", SpmFile::scalars(ElementType::kF32, fractions)); }),
              "tokenizer.ggml.token_type");
  check_names(failure_with([](SpmFile& f) { f.set("token_type", std::uint64_t{1}); }), "tokenizer.ggml.token_type");
}

BOOST_AUTO_TEST_CASE(types_out_of_range_are_refused) {
  for (const std::int32_t type : {-1, 0, 7}) {
    BOOST_TEST(failure_with([&](SpmFile& f) { f.types[kBareHe] = type; }) ==
               "file.gguf: tokenizer.ggml.token_type[262]: expected a type from 1 to 6, found " + std::to_string(type));
  }
}

// ---- tokens --------------------------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(tokens_of_another_type_are_refused) {
  const std::vector<float> numbers(kTokens);
  check_names(failure_with([&](SpmFile& f) { f.set("tokens", SpmFile::scalars(ElementType::kF32, numbers)); }),
              "tokenizer.ggml.tokens");
  check_names(failure_with([](SpmFile& f) { f.set("tokens", std::string_view("x")); }), "tokenizer.ggml.tokens");
}

BOOST_AUTO_TEST_CASE(a_byte_without_a_token_and_a_doubled_token_are_refused) {
  check_names(failure_with([](SpmFile& f) { f.types[SpmPieces::kByte0 + 9] = 1; }), "the first missing is <0x09>");
  BOOST_TEST(failure_with([](SpmFile& f) { f.tokens[kBareHe] = "h"; }) ==
             "file.gguf: tokenizer.ggml.tokens[262]: expected a spelling of its own, found \"h\", the token 260");
}

// ---- what users wrote ----------------------------------------------------------------------------------------------

// Old converters type the marks of a conversation as user-defined.
BOOST_AUTO_TEST_CASE(a_user_can_not_spell_a_mark_that_the_file_calls_user_defined) {
  SpmFile file;
  for (const auto& [spelling, type] : std::vector<std::pair<const char*, PieceType>>{
           {"<", PieceType::kNormal}, {"t>", PieceType::kNormal}, {"<|im_start|>", PieceType::kUserDefined}}) {
    file.tokens.emplace_back(spelling);
    file.types.push_back(static_cast<std::int32_t>(type));
    file.scores.push_back(-3);
  }
  const auto tokenizer = file.loaded();
  const std::string text = "<|im_start|><t>";
  const auto contains = [&](const Ids& ids, TokenId id) { return std::find(ids.begin(), ids.end(), id) != ids.end(); };
  BOOST_TEST((tokenizer->encode(text, {.parse_special = true}) == Ids{267, kTool}));
  const std::vector<TextRange> whole = {{0, text.size()}};
  const Ids ids = tokenizer->encode(text, {.parse_special = true, .literal = whole});
  BOOST_TEST(!contains(ids, 267));
  BOOST_TEST(!contains(ids, kTool));  // nor do "<" and "t>" merge into it
  BOOST_TEST(tokenizer->decode(ids) == text);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace llorch::tokenizer
