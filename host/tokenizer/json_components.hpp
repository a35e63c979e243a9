// The parts that all tokenizer.json files are made of, whatever their algorithm.
#pragma once

#include <initializer_list>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "tokenizer/json_fields.hpp"
#include "tokenizer/tokenizer_spec.hpp"

namespace llorch::tokenizer {

using Merges = std::vector<std::pair<std::string_view, std::string_view>>;

/// Options that are not understood must not be passed over: they would change what a text means.
[[nodiscard]] Result<void> only_known(const JsonFields& fields, std::initializer_list<std::string_view> known);

/// The "type" of a component. Absent reads as empty.
[[nodiscard]] Result<std::string_view> type_of(const JsonFields& fields);

/// "type: expected ..., found ...", as a kUnsupported.
[[nodiscard]] Error unsupported_type(const JsonFields& fields, std::string_view expected, std::string_view found);

/// A component as the list of its parts: itself, or the members of a "Sequence". Empty when it is null.
[[nodiscard]] Result<std::vector<JsonFields>> component(const JsonFields& root, std::string_view key,
                                                        std::string_view members_key);

/// The root, with members known to this version only.
[[nodiscard]] Result<JsonFields> tokenizer_json_root(const boost::json::value& document, const std::string& origin);

/// "model": a BPE without dropout and affixes.
[[nodiscard]] Result<JsonFields> model_fields(const JsonFields& root);
/// "model.vocab" into spec.tokens.
[[nodiscard]] Result<void> read_vocabulary(const JsonFields& model, TokenizerSpec& spec);
/// "model.merges": strings with one space, or pairs.
[[nodiscard]] Result<void> read_merges(const JsonFields& model, Merges& into);
/// "added_tokens" into spec.added.
[[nodiscard]] Result<void> read_added_tokens(const JsonFields& root, TokenizerSpec& spec);
/// "post_processor" into spec.prefix and spec.suffix.
[[nodiscard]] Result<void> read_post_processor(const JsonFields& root, TokenizerSpec& spec);

}  // namespace llorch::tokenizer
