// A small byte-level BPE vocabulary for tests: token i is byte i, merges and added tokens follow.
#pragma once

#include <spdlog/fmt/fmt.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "tokenizer/bpe_tokenizer.hpp"
#include "tokenizer/byte_alphabet.hpp"

namespace llorch::testing {

/// Ids: 0 to 255 the bytes, then one for each merge, then the added tokens. Must outlive what spec() returns.
class ByteVocabulary {
 public:
  ByteVocabulary() {
    for (int byte = 0; byte < 256; ++byte) {
      tokens_.push_back(tokenizer::bytes_to_spelling(std::string(1, static_cast<char>(byte))));
    }
  }

  /// The next merge, given as bytes, and its token. All merges come before the first add().
  ByteVocabulary& merge(std::string_view left, std::string_view right) {
    merges_.emplace_back(tokenizer::bytes_to_spelling(left), tokenizer::bytes_to_spelling(right));
    tokens_.push_back(merges_.back().first + merges_.back().second);
    return *this;
  }

  /// The token gets the next free id.
  ByteVocabulary& add(tokenizer::AddedToken token) {
    token.id = static_cast<tokenizer::TokenId>(tokens_.size() + added_.size());
    added_.push_back(std::move(token));
    return *this;
  }

  [[nodiscard]] tokenizer::BpeSpec spec() const {
    tokenizer::BpeSpec spec;
    spec.origin = "test vocabulary";
    spec.tokens.assign(tokens_.begin(), tokens_.end());
    spec.merges.assign(merges_.begin(), merges_.end());
    spec.added = added_;
    return spec;
  }

  /// The same as a tokenizer.json document.
  [[nodiscard]] boost::json::object document() const {
    namespace json = boost::json;
    json::object vocabulary;
    for (std::size_t id = 0; id < tokens_.size(); ++id)
      vocabulary[tokens_[id]] = id;
    json::array merges;
    for (const auto& [left, right] : merges_)
      merges.push_back(json::array{left, right});
    json::array added;
    for (const auto& token : added_) {
      added.push_back({{"id", token.id},
                       {"content", token.content},
                       {"single_word", token.single_word},
                       {"lstrip", token.lstrip},
                       {"rstrip", token.rstrip},
                       {"normalized", token.normalized},
                       {"special", token.special}});
    }
    return {
        {"version", "1.0"},
        {"truncation", nullptr},
        {"padding", nullptr},
        {"added_tokens", added},
        {"normalizer", nullptr},
        {"pre_tokenizer",
         {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}}},
        {"post_processor", nullptr},
        {"decoder", {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}}},
        {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", merges}}}};
  }

  [[nodiscard]] std::string tokenizer_json() const { return boost::json::serialize(boost::json::value(document())); }

 private:
  std::deque<std::string> tokens_;  // a deque, because spec() hands out views
  std::deque<std::pair<std::string, std::string>> merges_;
  std::vector<tokenizer::AddedToken> added_;
};

}  // namespace llorch::testing
