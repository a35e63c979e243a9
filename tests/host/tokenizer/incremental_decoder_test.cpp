// Token by token to whole characters.
#include "tokenizer/incremental_decoder.hpp"

#include <boost/test/unit_test.hpp>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace llorch::tokenizer {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

std::string decode_pieces(const std::vector<std::string>& pieces) {
  IncrementalDecoder decoder;
  std::string out;
  for (const std::string& piece : pieces)
    out += decoder.push(piece);
  return out + decoder.flush();
}

std::string decode_whole(const std::string& bytes) {
  return decode_pieces({bytes});
}

BOOST_AUTO_TEST_SUITE(incremental_decoder)

BOOST_AUTO_TEST_CASE(valid_text_passes_unchanged) {
  const std::string text = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\xA6\x99 z";
  BOOST_TEST(decode_whole(text) == text);
}

BOOST_AUTO_TEST_CASE(half_a_character_is_held_until_it_is_whole) {
  IncrementalDecoder decoder;
  BOOST_TEST(decoder.push("x\xF0\x9F") == "x");
  BOOST_TEST(decoder.pending());
  BOOST_TEST(decoder.push("\xA6") == "");
  BOOST_TEST(decoder.push("\x99y") == "\xF0\x9F\xA6\x99y");
  BOOST_TEST(!decoder.pending());
  BOOST_TEST(decoder.flush() == "");
}

BOOST_AUTO_TEST_CASE(what_is_held_at_the_end_becomes_one_replacement) {
  IncrementalDecoder decoder;
  BOOST_TEST(decoder.push("\xF0\x9F\xA6") == "");
  BOOST_TEST(decoder.flush() == kReplacement);
  BOOST_TEST(!decoder.pending());
  BOOST_TEST(decoder.push("ok") == "ok");
}

// The examples of Unicode 15, section 3.9, tables 3-8 to 3-11: one U+FFFD for each maximal subpart.
BOOST_AUTO_TEST_CASE(invalid_bytes_are_replaced_by_maximal_subparts) {
  const auto fffd = [](int count) {
    std::string text;
    for (int i = 0; i < count; ++i)
      text += kReplacement;
    return text;
  };
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", fffd(8) + "A"},
      {"\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", fffd(8) + "A"},
      {"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", fffd(5) + "A" + fffd(2) + "B"},
      {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", fffd(4) + "A"},
      {"\xC3(", fffd(1) + "("},
      {"\xF5\x80", fffd(2)},
  };
  for (const auto& [bytes, expected] : cases)
    BOOST_TEST(decode_whole(bytes) == expected);
}

BOOST_AUTO_TEST_CASE(every_split_gives_what_the_whole_gives) {
  std::mt19937 random(7);
  // Bytes that are interesting beside each other: leads of every length, continuations, limits, ASCII.
  const std::string alphabet = "a\x7F\x80\x8F\x90\x9F\xA0\xBF\xC0\xC1\xC2\xDF\xE0\xE1\xED\xEF\xF0\xF1\xF4\xF5\xFF";
  for (int round = 0; round < 3000; ++round) {
    std::string bytes;
    for (int i = 0; i < 12; ++i)
      bytes += alphabet[random() % alphabet.size()];
    const std::string whole = decode_whole(bytes);
    std::vector<std::string> singles;
    for (const char byte : bytes)
      singles.emplace_back(1, byte);
    BOOST_REQUIRE_EQUAL(decode_pieces(singles), whole);
    for (std::size_t split = 0; split <= bytes.size(); ++split) {
      BOOST_REQUIRE_EQUAL(decode_pieces({bytes.substr(0, split), bytes.substr(split)}), whole);
    }
  }
}

BOOST_AUTO_TEST_CASE(never_more_than_three_bytes_are_held) {
  std::mt19937 random(8);
  IncrementalDecoder decoder;
  std::size_t in = 0;
  std::size_t out = 0;
  for (int i = 0; i < 10000; ++i) {
    const char byte = static_cast<char>(random());
    ++in;
    // Every byte comes out as itself or within a replacement of three bytes, at most three bytes later.
    out += decoder.push({&byte, 1}).size();
    BOOST_REQUIRE_GE(out + 3, in);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace llorch::tokenizer
