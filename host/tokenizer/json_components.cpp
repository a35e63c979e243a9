#include "tokenizer/json_components.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "base/text.hpp"
#include "tokenizer/bpe_parts_json.hpp"

namespace llorch::tokenizer {

namespace json = boost::json;

namespace {

// TemplateProcessing.single: special tokens around the one sequence A.
Result<void> read_template(const JsonFields& fields, TokenizerSpec& spec) {
  if (auto ok = only_known(fields, {"type", "single", "pair", "special_tokens"}); !ok) return ok;
  auto single = fields.array("single");
  if (!single) return single.error();
  auto special = fields.object("special_tokens");
  if (!special) return special.error();
  if (*single == nullptr) return fields.error("single", "an array", "nothing");

  bool seen_text = false;
  for (std::size_t i = 0; i < (*single)->size(); ++i) {
    const std::string place = fmt::format("single[{}]", i);
    const json::value& piece = (**single)[i];
    const auto* object = piece.if_object();
    const auto* sequence = object != nullptr ? object->if_contains("Sequence") : nullptr;
    const auto* token = object != nullptr ? object->if_contains("SpecialToken") : nullptr;
    const auto* content = sequence != nullptr ? sequence->if_object() : token != nullptr ? token->if_object() : nullptr;
    const auto* id = content != nullptr ? content->if_contains("id") : nullptr;
    if (id == nullptr || !id->is_string()) {
      return fields.error(place, "a Sequence or a SpecialToken with an id", describe(piece));
    }
    const std::string_view name = id->get_string();
    if (sequence != nullptr) {
      if (name != "A" || seen_text) return fields.error(place, "the sequence A, once", quote(name));
      seen_text = true;
      continue;
    }
    const auto* entry = *special != nullptr ? (*special)->if_contains(name) : nullptr;
    const auto* entry_object = entry != nullptr ? entry->if_object() : nullptr;
    const auto* ids = entry_object != nullptr ? entry_object->if_contains("ids") : nullptr;
    if (ids == nullptr || !ids->is_array()) {
      return fields.error("special_tokens", fmt::format("ids for {}", quote(name)), "none");
    }
    for (const json::value& value : ids->get_array()) {
      const auto token_id = as_token_id(value);
      if (!token_id) return fields.error("special_tokens", "token ids", describe(value));
      (seen_text ? spec.suffix : spec.prefix).push_back(*token_id);
    }
  }
  if (!seen_text) return fields.error("single", "the sequence A", "none");
  return {};
}

Result<AddedToken> read_added_token(const JsonFields& fields) {
  if (auto ok = only_known(fields, {"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
      !ok) {
    return ok.error();
  }
  AddedToken token;
  auto id = fields.token_id("id");
  if (!id) return id.error();
  if (!*id) return fields.error("id", "a token id", "nothing");
  token.id = **id;
  return read_added_token_flags(fields, std::move(token));
}

}  // namespace

// Options that are not understood must not be passed over: they would change what a text means.
Result<void> only_known(const JsonFields& fields, std::initializer_list<std::string_view> known) {
  for (const auto& member : fields.raw()) {
    const std::string_view key = member.key();
    if (member.value().is_null() || std::find(known.begin(), known.end(), key) != known.end()) continue;
    return fields.error(key, "an option known to this version", describe(member.value()), ErrorCode::kUnsupported);
  }
  return {};
}

// The "type" of a component. Absent reads as empty.
Result<std::string_view> type_of(const JsonFields& fields) {
  auto type = fields.string("type");
  if (!type) return type.error();
  return type->value_or(std::string_view());
}

Error unsupported_type(const JsonFields& fields, std::string_view expected, std::string_view found) {
  return fields.error("type", expected, quote(found), ErrorCode::kUnsupported);
}

// A component as the list of its parts: itself, or the members of a "Sequence".
Result<std::vector<JsonFields>> component(const JsonFields& root, std::string_view key, std::string_view members_key) {
  auto object = root.object(key);
  if (!object) return object.error();
  std::vector<JsonFields> parts;
  if (*object == nullptr) return parts;
  const JsonFields whole(**object, root.origin(), std::string(key));
  auto type = type_of(whole);
  if (!type) return type.error();
  if (*type != "Sequence") {
    parts.push_back(whole);
    return parts;
  }
  if (auto ok = only_known(whole, {"type", members_key}); !ok) return ok.error();
  auto members = whole.array(members_key);
  if (!members) return members.error();
  if (*members == nullptr) return whole.error(members_key, "an array", "nothing");
  for (std::size_t i = 0; i < (*members)->size(); ++i) {
    const json::value& member = (**members)[i];
    const std::string place = fmt::format("{}[{}]", members_key, i);
    if (!member.is_object()) return whole.error(place, "an object", describe(member));
    parts.emplace_back(member.get_object(), root.origin(), whole.place(place));
  }
  return parts;
}

Result<void> read_post_processor(const JsonFields& root, TokenizerSpec& spec) {
  auto parts = component(root, "post_processor", "processors");
  if (!parts) return parts.error();
  bool seen_template = false;
  for (const JsonFields& fields : *parts) {
    auto type = type_of(fields);
    if (!type) return type.error();
    if (*type == "ByteLevel") continue;  // moves offsets only, never ids
    if (*type != "TemplateProcessing" || seen_template) {
      return unsupported_type(fields, "\"ByteLevel\" or one \"TemplateProcessing\"", *type);
    }
    seen_template = true;
    if (auto ok = read_template(fields, spec); !ok) return ok;
  }
  return {};
}

Result<void> read_vocabulary(const JsonFields& model, TokenizerSpec& spec) {
  auto vocabulary = model.object("vocab");
  if (!vocabulary) return vocabulary.error();
  if (*vocabulary == nullptr) return model.error("vocab", "an object", "nothing");
  return tokens_from_vocabulary(**vocabulary, spec);
}

Result<void> read_merges(const JsonFields& model, Merges& into) {
  auto merges = model.array("merges");
  if (!merges) return merges.error();
  if (*merges == nullptr) return model.error("merges", "an array", "nothing");
  into.reserve((*merges)->size());
  for (std::size_t i = 0; i < (*merges)->size(); ++i) {
    const json::value& merge = (**merges)[i];
    if (const auto* text = merge.if_string()) {
      const auto pair = split_merge(*text);
      if (!pair) {
        return model.error(fmt::format("merges[{}]", i), "two tokens with one space between", describe(merge));
      }
      into.push_back(*pair);
      continue;
    }
    const auto* pair = merge.if_array();
    if (pair == nullptr || pair->size() != 2 || !(*pair)[0].is_string() || !(*pair)[1].is_string()) {
      return model.error(fmt::format("merges[{}]", i), "a string or a pair of strings", describe(merge));
    }
    into.emplace_back((*pair)[0].get_string(), (*pair)[1].get_string());
  }
  return {};
}

Result<JsonFields> model_fields(const JsonFields& root) {
  auto object = root.object("model");
  if (!object) return object.error();
  if (*object == nullptr) return root.error("model", "an object", "nothing");
  JsonFields model(**object, root.origin(), "model");
  auto type = type_of(model);
  if (!type) return type.error();
  if (!type->empty() && *type != "BPE") return unsupported_type(model, "\"BPE\"", *type);
  if (auto ok = only_known(model, {"type", "vocab", "merges", "dropout", "unk_token", "fuse_unk", "byte_fallback",
                                   "ignore_merges", "continuing_subword_prefix", "end_of_word_suffix"});
      !ok) {
    return ok.error();
  }
  if (const json::value* dropout = model.find("dropout")) {
    if (!dropout->is_number() || dropout->to_number<double>() != 0) {
      return model.error("dropout", "null or 0", describe(*dropout), ErrorCode::kUnsupported);
    }
  }
  for (const std::string_view key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    auto affix = model.string(key);
    if (!affix) return affix.error();
    if (!affix->value_or("").empty()) {
      return model.error(key, "null or \"\"", quote(**affix), ErrorCode::kUnsupported);
    }
  }
  return model;
}

Result<void> read_added_tokens(const JsonFields& root, TokenizerSpec& spec) {
  auto tokens = root.array("added_tokens");
  if (!tokens) return tokens.error();
  if (*tokens == nullptr) return {};
  spec.added.reserve((*tokens)->size());
  for (std::size_t i = 0; i < (*tokens)->size(); ++i) {
    const json::value& value = (**tokens)[i];
    const std::string place = fmt::format("added_tokens[{}]", i);
    if (!value.is_object()) return root.error(place, "an object", describe(value));
    auto token = read_added_token(JsonFields(value.get_object(), root.origin(), place));
    if (!token) return token.error();
    spec.added.push_back(std::move(*token));
  }
  return {};
}

Result<JsonFields> tokenizer_json_root(const json::value& document, const std::string& origin) {
  auto root = root_fields(document, origin);
  if (!root) return root.error();
  if (auto ok = only_known(*root, {"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
                                   "post_processor", "decoder", "model"});
      !ok) {
    return ok.error();
  }
  return root;
}

}  // namespace llorch::tokenizer
