// The merge rules of a BPE vocabulary and the loop that applies them to one piece of text.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <span>
#include <vector>

#include "tokenizer/tokenizer.hpp"

namespace llorch::tokenizer {

/// Rules by pair of token ids. Filled once, then immutable. [any-thread]
class MergeTable {
 public:
  struct Rule {
    std::uint32_t rank = 0;  ///< position in the file's list: lower merges first
    TokenId merged = 0;
  };

  void reserve(std::size_t rules) { rules_.reserve(rules); }
  /// A pair that is there already gets the new rule.
  void set(TokenId left, TokenId right, Rule rule) { rules_[key(left, right)] = rule; }
  [[nodiscard]] const Rule* find(TokenId left, TokenId right) const {
    const auto found = rules_.find(key(left, right));
    return found == rules_.end() ? nullptr : &found->second;
  }

  /// Merges until no rule applies: always the lowest rank, the leftmost of equals. Appends the result to `out`;
  /// `symbols` is scratch afterwards. O(n log n) for n symbols, at most 2^32 - 1.
  void merge(std::span<TokenId> symbols, std::vector<TokenId>& out) const;

  /// The two ways behind merge(), the same in result; public for the tests that compare them.
  void merge_short(std::span<TokenId> symbols, std::vector<TokenId>& out) const;
  void merge_long(std::span<TokenId> symbols, std::vector<TokenId>& out) const;

  static constexpr std::size_t kMaxShort = 40;  ///< symbols that merge_short() accepts

 private:
  static std::uint64_t key(TokenId left, TokenId right) {
    return (std::uint64_t{static_cast<std::uint32_t>(left)} << 32) | static_cast<std::uint32_t>(right);
  }
  // boost::unordered's own mixing of an identity hash is enough for ids and cheaper than hashing twice.
  struct PairHash {
    using is_avalanching = void;
    std::size_t operator()(std::uint64_t pair) const {
      pair *= 0x9E3779B97F4A7C15u;
      return pair ^ (pair >> 32);
    }
  };

  boost::unordered_flat_map<std::uint64_t, Rule, PairHash> rules_;
};

}  // namespace llorch::tokenizer
