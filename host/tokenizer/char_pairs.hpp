// Where merges can never happen: between two characters that no token has side by side.
#pragma once

#include <bitset>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstdint>
#include <string_view>

#include "tokenizer/utf8.hpp"

namespace llorch::tokenizer {

/// One character of a text: its UTF-8 bytes, the first in the low byte. A byte that is not part of valid UTF-8 is a
/// character of its own; no valid character has its key.
struct TextChar {
  std::uint32_t key = 0;
  std::uint8_t length = 1;
};

[[nodiscard]] inline TextChar read_char(std::string_view text, std::size_t at) {
  const auto byte = static_cast<std::uint8_t>(text[at]);
  if (byte < 0x80) return {byte, 1};
  const Utf8Step step = decode_utf8(text, at);
  if (step.status != Utf8Status::kValid) return {byte, 1};
  std::uint32_t key = 0;
  for (std::uint8_t i = 0; i < step.length; ++i)
    key |= std::uint32_t{static_cast<std::uint8_t>(text[at + i])} << (8 * i);
  return {key, step.length};
}

/// Pairs of neighbouring characters that occur inside tokens. A text may be cut between any other two without changing
/// what merging makes of it, so that whole texts fall into words although no pattern says what a word is. Filled once,
/// then immutable. [any-thread]
class CharPairs {
 public:
  void add(TextChar left, TextChar right);
  [[nodiscard]] bool contains(TextChar left, TextChar right) const {
    if ((left.key | right.key) < 0x80) return ascii_[left.key * 0x80 + right.key];
    return others_.contains(pair(left, right));
  }
  /// End of the piece that starts at `at`, which must lie inside the text; with `split_at_spaces` also before any
  /// space.
  [[nodiscard]] std::size_t piece_end(std::string_view text, std::size_t at, bool split_at_spaces) const;

 private:
  static std::uint64_t pair(TextChar left, TextChar right) { return (std::uint64_t{left.key} << 32) | right.key; }

  std::bitset<0x80 * 0x80> ascii_;
  boost::unordered_flat_set<std::uint64_t> others_;
};

}  // namespace llorch::tokenizer
