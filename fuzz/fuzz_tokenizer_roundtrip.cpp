// Encode and decode on any bytes, with a vocabulary that has merges of all kinds and added tokens of all kinds.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.hpp"
#include "support/byte_vocabulary.hpp"
#include "tokenizer/incremental_decoder.hpp"
#include "tokenizer/merge_table.hpp"
#include "tokenizer/pre_tokenizer.hpp"

namespace {

using namespace llorch::tokenizer;

const Tokenizer& shared_tokenizer() {
  static const auto kTokenizer = [] {
    llorch::testing::ByteVocabulary vocabulary;
    vocabulary.merge("t", "h").merge(" ", "th").merge(" th", "e").merge("h", "e").merge("\xC3", "\xA9");
    std::string run = " ";
    for (int i = 0; i < 4; ++i, run += run)
      vocabulary.merge(run, run);
    vocabulary.add({.content = "<s>", .special = true}).add({.content = "<s><s>", .special = true});
    vocabulary.add({.content = "<u>", .single_word = true}).add({.content = "the <", .normalized = true});
    auto tokenizer = make_bpe_tokenizer(vocabulary.spec());
    if (!tokenizer) std::abort();
    return std::move(*tokenizer);
  }();
  return *kTokenizer;
}

void check_pieces(std::string_view text) {
  static const auto kPreTokenizer = make_gpt2_pre_tokenizer();
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = kPreTokenizer->piece_end(text, at);
    if (end <= at || end > text.size()) std::abort();
    at = end;
  }
}

// Merge rules drawn from the input itself: both ways of merging must agree.
void check_merges(std::string_view bytes) {
  MergeTable table;
  const std::size_t rules = bytes.size() / 4;
  for (std::size_t i = 0; i < rules; ++i) {
    const auto any = [&](std::size_t byte) {
      return static_cast<TokenId>(static_cast<unsigned char>(bytes[byte]) % (4 + i));
    };
    table.set(any(2 * i), any(2 * i + 1), {static_cast<std::uint32_t>(i), static_cast<TokenId>(4 + i)});
  }
  std::vector<TokenId> symbols;
  for (const char byte : bytes.substr(bytes.size() / 2)) {
    if (symbols.size() < MergeTable::kMaxShort) symbols.push_back(static_cast<unsigned char>(byte) % 4);
  }
  std::vector<TokenId> copy = symbols;
  std::vector<TokenId> short_way;
  std::vector<TokenId> long_way;
  table.merge_short(symbols, short_way);
  table.merge_long(copy, long_way);
  if (short_way != long_way) std::abort();
}

void check_incremental(const Tokenizer& tokenizer, const std::vector<TokenId>& ids, std::string_view text) {
  IncrementalDecoder one_by_one;
  std::string streamed;
  for (const TokenId id : ids)
    streamed += one_by_one.push(tokenizer.token_bytes(id));
  streamed += one_by_one.flush();
  IncrementalDecoder whole;
  if (streamed != whole.push(text) + whole.flush()) std::abort();
  if (!llorch::is_utf8(streamed)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Tokenizer& tokenizer = shared_tokenizer();
  for (const bool parse_special : {false, true}) {
    const auto ids = tokenizer.encode(text, {.add_special = false, .parse_special = parse_special});
    if (tokenizer.decode(ids) != text) std::abort();
    check_incremental(tokenizer, ids, text);
  }
  check_pieces(text);
  check_merges(text);
  return 0;
}
