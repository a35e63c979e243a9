// Pieces of JSON that tokenizer.json and the older vocab.json family share.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "base/result.hpp"
#include "tokenizer/json_fields.hpp"
#include "tokenizer/tokenizer_spec.hpp"

namespace llorch::tokenizer {

/// {"spelling": id, ...} into spec.tokens; messages use spec.origin and spec.tokens_field.
[[nodiscard]] Result<void> tokens_from_vocabulary(const boost::json::object& vocabulary, TokenizerSpec& spec);

/// "left right" at its only space; nothing when there is not exactly one, or nothing beside it.
[[nodiscard]] std::optional<std::pair<std::string_view, std::string_view>> split_merge(std::string_view line);

/// Fills content and the flags of an added token; `token` brings the id.
[[nodiscard]] Result<AddedToken> read_added_token_flags(const JsonFields& fields, AddedToken token);

}  // namespace llorch::tokenizer
