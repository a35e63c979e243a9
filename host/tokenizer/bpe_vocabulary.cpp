#include "tokenizer/bpe_vocabulary.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/text.hpp"
#include "tokenizer/byte_alphabet.hpp"

namespace llorch::tokenizer {
namespace {

std::uint64_t read_u64(const char* p) {
  std::uint64_t value = 0;
  std::memcpy(&value, p, sizeof value);
  return value;
}

std::uint32_t read_u32(const char* p) {
  std::uint32_t value = 0;
  std::memcpy(&value, p, sizeof value);
  return value;
}

std::uint64_t fold_product(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = Wide{a} * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

Error bad(const BpeSpec& spec, std::string message) {
  return make_error(ErrorCode::kBadModel, fmt::format("{}: {}", spec.origin, message));
}

// Which added token, if any, has each id. Checks ids and contents.
Result<std::vector<const AddedToken*>> added_by_id(const BpeSpec& spec) {
  std::size_t size = spec.tokens.size();
  for (std::size_t i = 0; i < spec.added.size(); ++i) {
    const AddedToken& token = spec.added[i];
    if (token.id < 0 || static_cast<std::size_t>(token.id) >= kMaxVocabulary) {
      return bad(spec, fmt::format("added token {}: expected an id below {}, found {}", quote(token.content),
                                   kMaxVocabulary, token.id));
    }
    if (token.content.empty() || token.content.size() > AddedTokens::kMaxContent) {
      return bad(spec, fmt::format("added token with id {}: expected a content of 1 to {} bytes, found {}", token.id,
                                   AddedTokens::kMaxContent, token.content.size()));
    }
    size = std::max(size, static_cast<std::size_t>(token.id) + 1);
  }
  std::vector<const AddedToken*> by_id(size);
  boost::unordered_flat_map<std::string_view, TokenId> contents;
  for (const AddedToken& token : spec.added) {
    const AddedToken*& slot = by_id[static_cast<std::size_t>(token.id)];
    if (slot != nullptr) {
      return bad(spec, fmt::format("added tokens {} and {} have the same id {}", quote(slot->content),
                                   quote(token.content), token.id));
    }
    slot = &token;
    const auto [other, is_new] = contents.emplace(token.content, token.id);
    if (!is_new) {
      return bad(spec,
                 fmt::format("added token {} has two ids, {} and {}", quote(token.content), other->second, token.id));
    }
  }
  return by_id;
}

}  // namespace

std::size_t BpeVocabulary::BytesHash::operator()(std::string_view bytes) const {
  constexpr std::uint64_t kFirst = 0x9E3779B97F4A7C15u;
  constexpr std::uint64_t kSecond = 0xD6E8FEB86659FD93u;
  const char* p = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t hash = kFirst ^ left;
  for (; left > 16; left -= 8, p += 8)
    hash = fold_product(hash ^ read_u64(p), kSecond);
  std::uint64_t head = 0;
  std::uint64_t tail = 0;
  if (left >= 8) {
    head = read_u64(p);
    tail = read_u64(p + left - 8);
  } else if (left >= 4) {
    head = read_u32(p);
    tail = read_u32(p + left - 4);
  } else if (left > 0) {
    const auto byte = [p](std::size_t i) { return std::uint64_t{static_cast<std::uint8_t>(p[i])}; };
    head = byte(0) | (byte(left / 2) << 8) | (byte(left - 1) << 16);
  }
  return fold_product(hash ^ head, kSecond ^ tail);
}

Result<BpeVocabulary> BpeVocabulary::build(const BpeSpec& spec) {
  if (spec.tokens.size() > kMaxVocabulary) {
    return bad(spec, fmt::format("{}: expected at most {} tokens, found {}", spec.tokens_field, kMaxVocabulary,
                                 spec.tokens.size()));
  }
  auto added = added_by_id(spec);
  if (!added) return added.error();
  const std::size_t size = added->size();

  BpeVocabulary vocabulary;
  vocabulary.begins_.reserve(size + 1);
  std::vector<bool> from_alphabet(size);  // only such tokens can come out of merging
  for (std::size_t id = 0; id < size; ++id) {
    const std::string_view spelling = id < spec.tokens.size() ? spec.tokens[id] : std::string_view();
    const AddedToken* as_added = (*added)[id];
    if (as_added != nullptr && spelling.data() != nullptr && spelling != as_added->content) {
      return bad(spec, fmt::format("id {} is {} among the added tokens but {} in {}", id, quote(as_added->content),
                                   quote(spelling), spec.tokens_field));
    }
    const auto append = [&](std::string_view bytes) {
      vocabulary.arena_.insert(vocabulary.arena_.end(), bytes.begin(), bytes.end());
    };
    const auto bytes = spelling_to_bytes(spelling);
    from_alphabet[id] = bytes && !bytes->empty();
    if (as_added != nullptr) {
      append(as_added->content);
      // An added token that only looks like bytes in the alphabet ("Ġ") stands for its own spelling.
      from_alphabet[id] = from_alphabet[id] && *bytes == as_added->content;
    } else {
      append(bytes ? std::string_view(*bytes) : spelling);
    }
    vocabulary.begins_.push_back(vocabulary.arena_.size());
  }

  vocabulary.by_bytes_.reserve(size);
  for (std::size_t id = 0; id < size; ++id) {
    if (!from_alphabet[id]) continue;
    const std::string_view bytes = vocabulary.bytes(id);
    const auto [other, is_new] = vocabulary.by_bytes_.try_emplace(bytes, Entry{static_cast<TokenId>(id), false});
    if (!is_new) {
      return bad(spec, fmt::format("{}: tokens {} and {} are both {}", spec.tokens_field, other->second.id, id,
                                   quote(spec.tokens[id])));
    }
    vocabulary.longest_ = std::max(vocabulary.longest_, bytes.size());
  }
  return vocabulary;
}

}  // namespace llorch::tokenizer
