#include "tokenizer/tokenizer_spec.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>

#include "base/text.hpp"

namespace llorch::tokenizer {

Error bad_spec(const TokenizerSpec& spec, std::string_view message) {
  return make_error(ErrorCode::kBadModel, fmt::format("{}: {}", spec.origin, message));
}

Result<std::vector<const AddedToken*>> added_by_id(const TokenizerSpec& spec) {
  std::size_t size = spec.tokens.size();
  for (const AddedToken& token : spec.added) {
    if (token.id < 0 || static_cast<std::size_t>(token.id) >= kMaxVocabulary) {
      return bad_spec(spec, fmt::format("added token {}: expected an id below {}, found {}", quote(token.content),
                                        kMaxVocabulary, token.id));
    }
    if (token.content.empty() || token.content.size() > AddedTokens::kMaxContent) {
      return bad_spec(spec, fmt::format("added token with id {}: expected a content of 1 to {} bytes, found {}",
                                        token.id, AddedTokens::kMaxContent, token.content.size()));
    }
    size = std::max(size, static_cast<std::size_t>(token.id) + 1);
  }
  std::vector<const AddedToken*> by_id(size);
  boost::unordered_flat_map<std::string_view, TokenId> contents;
  for (const AddedToken& token : spec.added) {
    const AddedToken*& slot = by_id[static_cast<std::size_t>(token.id)];
    if (slot != nullptr) {
      return bad_spec(spec, fmt::format("added tokens {} and {} have the same id {}", quote(slot->content),
                                        quote(token.content), token.id));
    }
    slot = &token;
    const auto [other, is_new] = contents.emplace(token.content, token.id);
    if (!is_new) {
      return bad_spec(
          spec, fmt::format("added token {} has two ids, {} and {}", quote(token.content), other->second, token.id));
    }
  }
  return by_id;
}

Result<SpecialIds> check_special_ids(const TokenizerSpec& spec, std::size_t vocabulary_size) {
  SpecialIds ids;
  ids.special.resize(vocabulary_size);
  ids.ends.resize(vocabulary_size);
  ids.prefix = spec.prefix;
  ids.suffix = spec.suffix;
  ids.bos = spec.bos;
  ids.eos = spec.eos;
  const auto check = [&](std::string_view what, TokenId id) -> Result<void> {
    if (id >= 0 && static_cast<std::size_t>(id) < vocabulary_size) return {};
    return bad_spec(spec, fmt::format("{}: expected a token id below {}, found {}", what, vocabulary_size, id));
  };
  for (const AddedToken& token : spec.added) {
    if (auto ok = check("added token", token.id); !ok) return ok.error();
    if (token.special) ids.special[static_cast<std::size_t>(token.id)] = true;
  }
  if (spec.bos) {
    if (auto ok = check("bos token", *spec.bos); !ok) return ok.error();
  }
  if (spec.eos) {
    if (auto ok = check("eos token", *spec.eos); !ok) return ok.error();
    ids.ends[static_cast<std::size_t>(*spec.eos)] = true;
  }
  for (const TokenId id : spec.end_of_generation) {
    if (auto ok = check("end-of-generation token", id); !ok) return ok.error();
    ids.ends[static_cast<std::size_t>(id)] = true;
  }
  for (const auto* around : {&spec.prefix, &spec.suffix}) {
    for (const TokenId id : *around) {
      if (auto ok = check("token added around the text", id); !ok) return ok.error();
    }
  }
  return ids;
}

}  // namespace llorch::tokenizer
