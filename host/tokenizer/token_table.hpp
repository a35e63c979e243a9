// Token ids, the bytes they stand for, and the way back from bytes to ids.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer.hpp"

namespace llorch::tokenizer {

/// Filled once (every token first, then the index), then immutable. [any-thread]
class TokenTable {
 public:
  /// What a byte string is in the vocabulary.
  struct Entry {
    TokenId id = 0;
    bool is_whole = false;  ///< merging turns exactly these bytes into this one token, so a look-up replaces it
  };

  TokenTable() = default;  ///< no tokens
  TokenTable(TokenTable&&) noexcept = default;
  TokenTable& operator=(TokenTable&&) noexcept = default;
  TokenTable(const TokenTable&) = delete;
  TokenTable& operator=(const TokenTable&) = delete;
  ~TokenTable() = default;

  /// The next id stands for these bytes. Not after index().
  void append(std::string_view bytes);
  /// Makes a token findable by its bytes; false, and nothing changes, when another token has the same.
  [[nodiscard]] bool index(std::size_t id);

  [[nodiscard]] std::size_t size() const { return begins_.size() - 1; }
  [[nodiscard]] std::string_view bytes(std::size_t id) const {
    return {arena_.data() + begins_[id], begins_[id + 1] - begins_[id]};
  }
  /// The indexed token with these bytes.
  [[nodiscard]] const Entry* find(std::string_view bytes) const {
    if (bytes.size() > longest_) return nullptr;
    const auto found = by_bytes_.find(bytes);
    return found == by_bytes_.end() ? nullptr : &found->second;
  }
  /// Calls f(bytes, entry) for every indexed token; the entry may be changed.
  template <class F>
  void for_each_entry(F&& f) {
    for (auto& [bytes, entry] : by_bytes_)
      f(bytes, entry);
  }

 private:
  // Keys are a few bytes long: two overlapping words of eight, one multiplication.
  struct BytesHash {
    using is_avalanching = void;
    std::size_t operator()(std::string_view bytes) const;
  };

  std::vector<char> arena_;  // bytes of all tokens, by id; a vector, because its bytes stay put when it moves
  std::vector<std::size_t> begins_{0};  // size() + 1 offsets
  std::size_t longest_ = 0;
  boost::unordered_flat_map<std::string_view, Entry, BytesHash> by_bytes_;  // keys point into arena_
};

}  // namespace llorch::tokenizer
