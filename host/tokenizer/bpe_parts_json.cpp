#include "tokenizer/bpe_parts_json.hpp"

#include <spdlog/fmt/fmt.h>

#include <boost/json/value.hpp>

#include "base/text.hpp"

namespace llorch::tokenizer {

Result<void> tokens_from_vocabulary(const boost::json::object& vocabulary, TokenizerSpec& spec) {
  for (const auto& member : vocabulary) {
    const std::string_view spelling = member.key();
    const auto fail = [&](std::string_view expected, std::string_view found) {
      return make_error(ErrorCode::kBadModel, fmt::format("{}: {}: {}: expected {}, found {}", spec.origin,
                                                          spec.tokens_field, quote(spelling), expected, found));
    };
    const auto id = as_token_id(member.value());
    if (!id) return fail(fmt::format("a token id from 0 to {}", kMaxVocabulary - 1), describe(member.value()));
    const auto index = static_cast<std::size_t>(*id);
    if (index >= spec.tokens.size()) spec.tokens.resize(index + 1);
    std::string_view& slot = spec.tokens[index];
    if (slot.data() != nullptr) return fail("an id of its own", fmt::format("{}, the id of {}", *id, quote(slot)));
    slot = spelling;
  }
  return {};
}

std::optional<std::pair<std::string_view, std::string_view>> split_merge(std::string_view line) {
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos || space == 0 || space + 1 == line.size()) return std::nullopt;
  if (line.find(' ', space + 1) != std::string_view::npos) return std::nullopt;
  return std::pair{line.substr(0, space), line.substr(space + 1)};
}

Result<AddedToken> read_added_token_flags(const JsonFields& fields, AddedToken token) {
  auto content = fields.string("content");
  if (!content) return content.error();
  if (!*content) return fields.error("content", "a string", "nothing");
  token.content = **content;
  const auto flag = [&](std::string_view key, bool& value, bool otherwise) -> Result<void> {
    auto read = fields.boolean(key, otherwise);
    if (!read) return read.error();
    value = *read;
    return {};
  };
  if (auto ok = flag("special", token.special, false); !ok) return ok.error();
  if (auto ok = flag("single_word", token.single_word, false); !ok) return ok.error();
  if (auto ok = flag("lstrip", token.lstrip, false); !ok) return ok.error();
  if (auto ok = flag("rstrip", token.rstrip, false); !ok) return ok.error();
  if (auto ok = flag("normalized", token.normalized, !token.special); !ok) return ok.error();
  return token;
}

}  // namespace llorch::tokenizer
