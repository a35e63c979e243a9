// The tokenizer as a whole, on vocabularies small enough to follow by hand.
#include "tokenizer/bpe_tokenizer.hpp"

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "support/byte_vocabulary.hpp"
#include "tokenizer/incremental_decoder.hpp"

namespace llorch::tokenizer {
namespace {

using llorch::testing::ByteVocabulary;
using Ids = std::vector<TokenId>;

std::unique_ptr<Tokenizer> make(const BpeSpec& spec) {
  auto tokenizer = make_bpe_tokenizer(spec);
  BOOST_REQUIRE_MESSAGE(tokenizer, (tokenizer ? "" : tokenizer.error().message));
  return std::move(*tokenizer);
}

std::string failure(const BpeSpec& spec) {
  const auto tokenizer = make_bpe_tokenizer(spec);
  if (tokenizer) return "none";
  BOOST_TEST((tokenizer.error().code == ErrorCode::kBadModel));
  return tokenizer.error().message;
}

// 256 "th", 257 " th", 258 " the", 259 "he", 260 "<s>", 261 "</s>", 262 "<user>"
ByteVocabulary small_vocabulary() {
  ByteVocabulary vocabulary;
  vocabulary.merge("t", "h").merge(" ", "th").merge(" th", "e").merge("h", "e");
  vocabulary.add({.content = "<s>", .special = true})
      .add({.content = "</s>", .special = true})
      .add({.content = "<user>"});
  return vocabulary;
}

BpeSpec with_rules(const ByteVocabulary& vocabulary) {
  BpeSpec spec = vocabulary.spec();
  spec.bos = 260;
  spec.eos = 261;
  spec.prefix = {260};
  spec.suffix = {261};
  return spec;
}

std::string random_bytes(std::mt19937& random, std::size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes)
    byte = static_cast<char>(random());
  return bytes;
}

BOOST_AUTO_TEST_SUITE(bpe_tokenizer)

BOOST_AUTO_TEST_CASE(merges_apply_within_words_only) {
  const auto vocabulary = small_vocabulary();
  const auto tokenizer = make(vocabulary.spec());
  BOOST_TEST((tokenizer->encode("the the") == Ids{256, 'e', 258}));
  BOOST_TEST((tokenizer->encode("t he") == Ids{'t', ' ', 259}));  // "he" ranks below " th": no "t" before it here
  BOOST_TEST(tokenizer->encode("").empty());
  BOOST_TEST(tokenizer->kind() == "byte-level BPE");
  BOOST_TEST(tokenizer->vocab_size() == 263u);
}

BOOST_AUTO_TEST_CASE(special_tokens_are_added_and_parsed_only_when_asked_for) {
  const auto vocabulary = small_vocabulary();
  const auto tokenizer = make(with_rules(vocabulary));
  BOOST_TEST((tokenizer->encode("e", {.add_special = true}) == Ids{260, 'e', 261}));
  BOOST_TEST((tokenizer->encode("", {.add_special = true}) == Ids{260, 261}));
  BOOST_TEST((tokenizer->encode("e</s>", {.parse_special = true}) == Ids{'e', 261}));
  BOOST_TEST((tokenizer->encode("<s>") == Ids{'<', 's', '>'}));
  BOOST_TEST((tokenizer->encode("<user>e") == Ids{262, 'e'}));
}

BOOST_AUTO_TEST_CASE(tokens_know_their_bytes_and_roles) {
  const auto vocabulary = small_vocabulary();
  BpeSpec spec = with_rules(vocabulary);
  spec.end_of_generation = {262};
  const auto tokenizer = make(spec);
  BOOST_TEST(tokenizer->token_bytes(258) == " the");
  BOOST_TEST(tokenizer->token_bytes(0) == std::string_view("\0", 1));
  BOOST_TEST(tokenizer->token_bytes(260) == "<s>");
  for (const TokenId id : {-1, 263, 1 << 30}) {
    BOOST_TEST(tokenizer->token_bytes(id) == "");
    BOOST_TEST(!tokenizer->is_special(id));
    BOOST_TEST(!tokenizer->ends_generation(id));
  }
  BOOST_TEST(tokenizer->is_special(260));
  BOOST_TEST(!tokenizer->is_special(262));
  BOOST_TEST(!tokenizer->is_special(258));
  BOOST_TEST((tokenizer->bos() == 260));
  BOOST_TEST((tokenizer->eos() == 261));
  BOOST_TEST(tokenizer->ends_generation(261));
  BOOST_TEST(tokenizer->ends_generation(262));
  BOOST_TEST(!tokenizer->ends_generation(260));
  BOOST_TEST((tokenizer->find(" the") == 258));
  BOOST_TEST((tokenizer->find("</s>") == 261));
  BOOST_TEST((tokenizer->find("unknown") == std::nullopt));
}

BOOST_AUTO_TEST_CASE(decoding_leaves_special_tokens_out_on_demand) {
  const auto vocabulary = small_vocabulary();
  const auto tokenizer = make(vocabulary.spec());
  BOOST_TEST(tokenizer->decode({260, 258, 262, 261, -5}) == "<s> the<user></s>");
  BOOST_TEST(tokenizer->decode({260, 258, 262, 261}, false) == " the<user>");
}

BOOST_AUTO_TEST_CASE(any_bytes_decode_back_to_themselves) {
  const auto vocabulary = small_vocabulary();
  const auto tokenizer = make(with_rules(vocabulary));
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes = random_bytes(random, random() % 100);
    if (round % 2 == 0) bytes += "</s> the \xE2\x82" + bytes;
    BOOST_REQUIRE(tokenizer->decode(tokenizer->encode(bytes)) == bytes);
    BOOST_REQUIRE(tokenizer->decode(tokenizer->encode(bytes, {.parse_special = true})) == bytes);
  }
}

BOOST_AUTO_TEST_CASE(incremental_decoding_of_the_tokens_gives_the_text) {
  const auto vocabulary = small_vocabulary();
  const auto tokenizer = make(vocabulary.spec());
  const std::string text =
      "the caf\u00e9 \U0001F999 \u4f60 th\xFF"
      "e";
  IncrementalDecoder one_by_one;
  std::string streamed;
  for (const TokenId id : tokenizer->encode(text)) {
    const std::string piece = one_by_one.push(tokenizer->token_bytes(id));
    IncrementalDecoder alone;
    BOOST_TEST(alone.push(piece) == piece);  // whole characters only
    streamed += piece;
  }
  streamed += one_by_one.flush();
  IncrementalDecoder whole;
  BOOST_TEST(streamed == whole.push(text) + whole.flush());
}

BOOST_AUTO_TEST_CASE(a_prefix_space_is_added_to_stretches_that_lack_one) {
  const auto vocabulary = small_vocabulary();
  BpeSpec spec = vocabulary.spec();
  spec.add_prefix_space = true;
  const auto tokenizer = make(spec);
  BOOST_TEST((tokenizer->encode("the") == Ids{258}));
  BOOST_TEST((tokenizer->encode(" the") == Ids{258}));
  BOOST_TEST((tokenizer->encode("<user>the") == Ids{262, 258}));
  BOOST_TEST(tokenizer->encode("").empty());
}

BOOST_AUTO_TEST_CASE(without_a_pattern_merges_cross_words) {
  ByteVocabulary vocabulary;
  vocabulary.merge("a", " ").merge("a ", "b");
  BpeSpec spec = vocabulary.spec();
  BOOST_TEST((make(spec)->encode("a b") == Ids{'a', ' ', 'b'}));
  spec.whole_text_is_a_word = true;
  BOOST_TEST((make(spec)->encode("a b") == Ids{257}));
}

BOOST_AUTO_TEST_CASE(ignore_merges_takes_a_word_that_is_a_token_as_it_is) {
  ByteVocabulary vocabulary;  // "abc" cannot come from merging: "bc" goes first
  vocabulary.merge("b", "c").merge("a", "b").merge("ab", "c");
  vocabulary.add({.content = "end", .special = true});
  BpeSpec spec = vocabulary.spec();
  BOOST_TEST((make(spec)->encode("abc") == Ids{'a', 256}));
  spec.ignore_merges = true;
  const auto tokenizer = make(spec);
  BOOST_TEST((tokenizer->encode("abc") == Ids{258}));
  BOOST_TEST((tokenizer->encode("abcc") == Ids{'a', 256, 'c'}));
  BOOST_TEST((tokenizer->encode("end") == Ids{'e', 'n', 'd'}));  // special: never out of plain text
}

BOOST_AUTO_TEST_CASE(merging_never_makes_a_token_that_is_spelled_like_markup) {
  ByteVocabulary vocabulary;
  vocabulary.merge("<", "t").merge("<t", ">");
  BpeSpec spec = vocabulary.spec();
  spec.whole_text_is_a_word = true;
  BOOST_TEST((make(spec)->encode("<t>") == Ids{257}));
  spec.added.push_back({.content = "<t>", .id = 257});
  const std::vector<TextRange> whole = {{0, 3}};
  for (const bool ignore_merges : {false, true}) {
    spec.ignore_merges = ignore_merges;
    const auto tokenizer = make(spec);
    BOOST_TEST((tokenizer->encode("<t>") == Ids{257}));
    BOOST_TEST((tokenizer->encode("<t>", {.parse_special = true, .literal = whole}) == Ids{256, '>'}));
  }
}

BOOST_AUTO_TEST_CASE(a_doubled_merge_counts_where_it_stands_last) {
  ByteVocabulary vocabulary;
  vocabulary.merge("a", "b").merge("b", "c");
  BpeSpec spec = vocabulary.spec();
  BOOST_TEST((make(spec)->encode("abc") == Ids{256, 'c'}));
  spec.merges.push_back(spec.merges.front());
  BOOST_TEST((make(spec)->encode("abc") == Ids{'a', 257}));
}

BOOST_AUTO_TEST_CASE(ids_that_the_file_leaves_out_stand_for_nothing) {
  auto vocabulary = ByteVocabulary();
  BpeSpec spec = vocabulary.spec();
  spec.added.push_back({.content = "<x>", .id = 300});
  const auto tokenizer = make(spec);
  BOOST_TEST(tokenizer->vocab_size() == 301u);
  BOOST_TEST(tokenizer->token_bytes(280) == "");
  BOOST_TEST((tokenizer->encode("<x>") == Ids{300}));
}

BOOST_AUTO_TEST_CASE(a_spelling_outside_the_alphabet_stands_for_itself_and_is_never_produced) {
  const auto vocabulary = small_vocabulary();
  BpeSpec spec = vocabulary.spec();
  spec.added.clear();
  spec.tokens.emplace_back("a b");  // a raw space is not in the alphabet
  const auto tokenizer = make(spec);
  BOOST_TEST(tokenizer->token_bytes(260) == "a b");
  BOOST_TEST((tokenizer->encode("a b") == Ids{'a', ' ', 'b'}));
}

BOOST_AUTO_TEST_CASE(one_tokenizer_serves_many_threads) {
  const auto vocabulary = small_vocabulary();
  const auto tokenizer = make(vocabulary.spec());
  std::mt19937 random(5);
  const std::string text = random_bytes(random, 20000) + " the the";
  const Ids expected = tokenizer->encode(text);
  std::vector<Ids> found(4);
  std::vector<std::thread> threads;
  threads.reserve(found.size());
  for (Ids& ids : found)
    threads.emplace_back([&] { ids = tokenizer->encode(text); });
  for (std::thread& thread : threads)
    thread.join();
  for (const Ids& ids : found)
    BOOST_TEST((ids == expected));
}

// Anything quadratic takes hours at these sizes; the bound only has to tell it from linear on a busy machine.
BOOST_AUTO_TEST_CASE(a_megabyte_of_one_thing_takes_linear_time) {
  ByteVocabulary vocabulary;
  for (const char* unit : {"a", " ", "\n", "!"}) {
    std::string run = unit;
    for (int i = 0; i < 6; ++i, run += run)
      vocabulary.merge(run, run);
  }
  vocabulary.add({.content = "<|im_start|>", .special = true})
      .add({.content = "  <", .lstrip = true, .rstrip = true})
      .add({.content = "\u3000", .rstrip = true});
  const auto tokenizer = make(vocabulary.spec());
  for (const std::string_view unit : {"a", " ", "\n", "!", "\U0001F999", "\u00e9", "\xFF", "\xF0\x9F", "1", "'", "'s",
                                      " a", "<|im_start", " <", "<", "\u3000", "a ", "ab"}) {
    std::string text;
    while (text.size() < 1'000'000)
      text += unit;
    const auto start = std::chrono::steady_clock::now();
    const Ids ids = tokenizer->encode(text, {.parse_special = true});
    const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    BOOST_TEST(seconds < 20.0, "unit '" << unit << "' took " << seconds << " s");
    if (unit != " <") BOOST_TEST((tokenizer->decode(ids) == text), "unit '" << unit << "'");
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(bpe_tokenizer_refuses)

BOOST_AUTO_TEST_CASE(a_missing_byte_token) {
  const auto vocabulary = ByteVocabulary();
  BpeSpec spec = vocabulary.spec();
  spec.tokens[0x20] = {};
  spec.tokens[0x80] = {};
  BOOST_TEST(
      failure(spec) ==
      "test vocabulary: tokens: expected a token for each byte that texts are made of, found 2 missing; the first "
      "missing is 0x20, spelled \"\u0120\"");
  BOOST_TEST(failure(BpeSpec{}).find("found 211 missing;") != std::string::npos, failure(BpeSpec{}));
}

BOOST_AUTO_TEST_CASE(bytes_that_no_text_needs_may_be_missing_and_become_u_fffd) {
  const auto vocabulary = ByteVocabulary();
  BpeSpec spec = vocabulary.spec();
  for (const int byte : {0x00, 0x0B, 0xC0, 0xC1, 0xF1, 0xF5, 0xFF})
    spec.tokens[static_cast<std::size_t>(byte)] = {};
  const auto tokenizer = make(spec);
  BOOST_TEST((tokenizer->encode("a\xFF") == Ids{'a', 0xEF, 0xBF, 0xBD}));
  BOOST_TEST((tokenizer->encode(std::string_view("\0b", 2)) == Ids{0xEF, 0xBF, 0xBD, 'b'}));
  BOOST_TEST((tokenizer->encode("\xC3\xA4") == Ids{0xC3, 0xA4}));
}

BOOST_AUTO_TEST_CASE(a_merge_of_an_unknown_token) {
  const auto vocabulary = small_vocabulary();
  BpeSpec spec = vocabulary.spec();
  for (const auto& [left, right, unknown] :
       {std::tuple{"zz", "a", "zz"}, std::tuple{"a", "\xFF", "\\xff"}, std::tuple{"a", "b", "ab"},
        std::tuple{"", "a", ""}, std::tuple{"a", " ", " "}}) {
    spec.merges[2] = {left, right};
    const std::string message = failure(spec);
    BOOST_TEST(message.starts_with("test vocabulary: merges[2]: "), message);
    BOOST_TEST(message.ends_with(std::string("\"") + unknown + "\" is not one"), message);
  }
}

BOOST_AUTO_TEST_CASE(two_ids_for_one_token) {
  const auto vocabulary = small_vocabulary();
  BpeSpec spec = vocabulary.spec();
  spec.tokens[257] = "A";
  BOOST_TEST(failure(spec) == "test vocabulary: tokens: tokens 65 and 257 are both \"A\"");
}

BOOST_AUTO_TEST_CASE(added_tokens_that_contradict_themselves) {
  const auto vocabulary = small_vocabulary();
  const auto with = [&](AddedToken token) {
    BpeSpec spec = vocabulary.spec();
    spec.added.push_back(std::move(token));
    return failure(spec);
  };
  BOOST_TEST(with({.content = "<s>", .id = 300}) == "test vocabulary: added token \"<s>\" has two ids, 260 and 300");
  BOOST_TEST(with({.content = "<x>", .id = 260}) ==
             "test vocabulary: added tokens \"<s>\" and \"<x>\" have the same id 260");
  BOOST_TEST(with({.content = "<x>", .id = 65}) ==
             "test vocabulary: id 65 is \"<x>\" among the added tokens but \"A\" in tokens");
  BOOST_TEST(with({.content = "", .id = 300}) ==
             "test vocabulary: added token with id 300: expected a content of 1 to 512 bytes, found 0");
  BOOST_TEST(with({.content = std::string(513, 'x'), .id = 300}).ends_with("found 513"));
  BOOST_TEST(with({.content = "<x>", .id = -1}) ==
             "test vocabulary: added token \"<x>\": expected an id below 1048576, found -1");
  BOOST_TEST(with({.content = "<x>", .id = 1 << 30}).ends_with("found 1073741824"));
}

BOOST_AUTO_TEST_CASE(ids_outside_the_vocabulary) {
  const auto vocabulary = small_vocabulary();
  for (const TokenId id : {-1, 263, 1 << 30}) {
    const auto with = [&](auto set) {
      BpeSpec spec = vocabulary.spec();
      set(spec);
      return failure(spec);
    };
    const std::string ending = ": expected a token id below 263, found " + std::to_string(id);
    BOOST_TEST(with([&](BpeSpec& spec) { spec.bos = id; }) == "test vocabulary: bos token" + ending);
    BOOST_TEST(with([&](BpeSpec& spec) { spec.eos = id; }) == "test vocabulary: eos token" + ending);
    BOOST_TEST(with([&](BpeSpec& spec) { spec.end_of_generation = {id}; }) ==
               "test vocabulary: end-of-generation token" + ending);
    BOOST_TEST(with([&](BpeSpec& spec) { spec.prefix = {id}; }) ==
               "test vocabulary: token added around the text" + ending);
    BOOST_TEST(with([&](BpeSpec& spec) { spec.suffix = {id}; }) ==
               "test vocabulary: token added around the text" + ending);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace llorch::tokenizer
