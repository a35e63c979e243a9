#include "tokenizer/tokenizer_json.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <initializer_list>

#include "base/text.hpp"
#include "tokenizer/bpe_parts_json.hpp"
#include "tokenizer/json_fields.hpp"

namespace llorch::tokenizer {
namespace {

namespace json = boost::json;

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

Error unsupported(const JsonFields& fields, std::string_view expected, std::string_view found) {
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

Result<void> read_normalizer(const JsonFields& root) {
  auto parts = component(root, "normalizer", "normalizers");
  if (!parts) return parts.error();
  if (parts->empty()) return {};
  auto type = type_of(parts->front());
  if (!type) return type.error();
  return unsupported(parts->front(), "no normalizer", *type);
}

Result<void> read_split(const JsonFields& fields) {
  if (auto ok = only_known(fields, {"type", "pattern", "behavior", "invert"}); !ok) return ok.error();
  auto pattern = fields.object("pattern");
  if (!pattern) return pattern.error();
  if (*pattern == nullptr) return fields.error("pattern", "an object", "nothing");
  const JsonFields pattern_fields(**pattern, fields.origin(), fields.place("pattern"));
  auto regex = pattern_fields.string("Regex");
  if (!regex) return regex.error();
  if (*regex != kGpt2Pattern) {
    return pattern_fields.error("Regex", "GPT-2's pattern, the only one supported", *regex ? quote(**regex) : "nothing",
                                ErrorCode::kUnsupported);
  }
  auto behavior = fields.string("behavior");
  if (!behavior) return behavior.error();
  if (*behavior != "Isolated") {
    return fields.error("behavior", "\"Isolated\"", quote(behavior->value_or("")), ErrorCode::kUnsupported);
  }
  auto invert = fields.boolean("invert", false);
  if (!invert) return invert.error();
  if (*invert) return fields.error("invert", "false", "true", ErrorCode::kUnsupported);
  return {};
}

Result<void> read_pre_tokenizer(const JsonFields& root, BpeSpec& spec) {
  auto parts = component(root, "pre_tokenizer", "pretokenizers");
  if (!parts) return parts.error();
  bool split = false;
  if (parts->size() == 2) {
    auto type = type_of(parts->front());
    if (!type) return type.error();
    if (*type != "Split") return unsupported(parts->front(), "\"Split\" before ByteLevel", *type);
    if (auto ok = read_split(parts->front()); !ok) return ok;
    split = true;
  } else if (parts->size() != 1) {
    return root.error("pre_tokenizer", "ByteLevel, alone or after one Split", fmt::format("{} parts", parts->size()),
                      ErrorCode::kUnsupported);
  }
  const JsonFields& fields = parts->back();
  auto type = type_of(fields);
  if (!type) return type.error();
  if (*type != "ByteLevel") return unsupported(fields, "\"ByteLevel\"", *type);
  if (auto ok = only_known(fields, {"type", "add_prefix_space", "trim_offsets", "use_regex"}); !ok) return ok;
  if (fields.find("add_prefix_space") == nullptr) return fields.error("add_prefix_space", "true or false", "nothing");
  auto prefix_space = fields.boolean("add_prefix_space", false);
  if (!prefix_space) return prefix_space.error();
  auto use_regex = fields.boolean("use_regex", true);
  if (!use_regex) return use_regex.error();
  if (split && (*prefix_space || *use_regex)) {
    // Either would act on every piece that Split makes.
    return fields.error(*use_regex ? "use_regex" : "add_prefix_space", "false after a Split", "true",
                        ErrorCode::kUnsupported);
  }
  spec.add_prefix_space = *prefix_space;
  spec.whole_text_is_a_word = !split && !*use_regex;
  return {};
}

Result<void> read_decoder(const JsonFields& root) {
  auto parts = component(root, "decoder", "decoders");
  if (!parts) return parts.error();
  for (const JsonFields& fields : *parts) {
    auto type = type_of(fields);
    if (!type) return type.error();
    if (*type != "ByteLevel") return unsupported(fields, "\"ByteLevel\"", *type);
  }
  return {};
}

// TemplateProcessing.single: special tokens around the one sequence A.
Result<void> read_template(const JsonFields& fields, BpeSpec& spec) {
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

Result<void> read_post_processor(const JsonFields& root, BpeSpec& spec) {
  auto parts = component(root, "post_processor", "processors");
  if (!parts) return parts.error();
  bool seen_template = false;
  for (const JsonFields& fields : *parts) {
    auto type = type_of(fields);
    if (!type) return type.error();
    if (*type == "ByteLevel") continue;  // moves offsets only, never ids
    if (*type != "TemplateProcessing" || seen_template) {
      return unsupported(fields, "\"ByteLevel\" or one \"TemplateProcessing\"", *type);
    }
    seen_template = true;
    if (auto ok = read_template(fields, spec); !ok) return ok;
  }
  return {};
}

Result<void> read_vocabulary(const JsonFields& model, BpeSpec& spec) {
  auto vocabulary = model.object("vocab");
  if (!vocabulary) return vocabulary.error();
  if (*vocabulary == nullptr) return model.error("vocab", "an object", "nothing");
  return tokens_from_vocabulary(**vocabulary, spec);
}

Result<void> read_merges(const JsonFields& model, BpeSpec& spec) {
  auto merges = model.array("merges");
  if (!merges) return merges.error();
  if (*merges == nullptr) return model.error("merges", "an array", "nothing");
  spec.merges.reserve((*merges)->size());
  for (std::size_t i = 0; i < (*merges)->size(); ++i) {
    const json::value& merge = (**merges)[i];
    if (const auto* text = merge.if_string()) {
      const auto pair = split_merge(*text);
      if (!pair) {
        return model.error(fmt::format("merges[{}]", i), "two tokens with one space between", describe(merge));
      }
      spec.merges.push_back(*pair);
      continue;
    }
    const auto* pair = merge.if_array();
    if (pair == nullptr || pair->size() != 2 || !(*pair)[0].is_string() || !(*pair)[1].is_string()) {
      return model.error(fmt::format("merges[{}]", i), "a string or a pair of strings", describe(merge));
    }
    spec.merges.emplace_back((*pair)[0].get_string(), (*pair)[1].get_string());
  }
  return {};
}

Result<void> read_model(const JsonFields& root, BpeSpec& spec) {
  auto object = root.object("model");
  if (!object) return object.error();
  if (*object == nullptr) return root.error("model", "an object", "nothing");
  const JsonFields model(**object, root.origin(), "model");
  auto type = type_of(model);
  if (!type) return type.error();
  if (!type->empty() && *type != "BPE") return unsupported(model, "\"BPE\"", *type);
  // unk_token and fuse_unk say what to do with unknown bytes; there are none, all 256 are required.
  if (auto ok = only_known(model, {"type", "vocab", "merges", "dropout", "unk_token", "fuse_unk", "byte_fallback",
                                   "ignore_merges", "continuing_subword_prefix", "end_of_word_suffix"});
      !ok) {
    return ok;
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
  auto byte_fallback = model.boolean("byte_fallback", false);
  if (!byte_fallback) return byte_fallback.error();
  if (*byte_fallback) return model.error("byte_fallback", "false", "true", ErrorCode::kUnsupported);
  auto ignore_merges = model.boolean("ignore_merges", false);
  if (!ignore_merges) return ignore_merges.error();
  spec.ignore_merges = *ignore_merges;
  if (auto ok = read_vocabulary(model, spec); !ok) return ok;
  return read_merges(model, spec);
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

Result<void> read_added_tokens(const JsonFields& root, BpeSpec& spec) {
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

}  // namespace

Result<BpeSpec> bpe_from_tokenizer_json(const json::value& document, std::string origin) {
  BpeSpec spec;
  spec.origin = std::move(origin);
  spec.tokens_field = "model.vocab";
  spec.merges_field = "model.merges";
  auto root = root_fields(document, spec.origin);
  if (!root) return root.error();
  if (auto ok = only_known(*root, {"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
                                   "post_processor", "decoder", "model"});
      !ok) {
    return ok.error();
  }
  if (auto ok = read_model(*root, spec); !ok) return ok.error();
  if (auto ok = read_added_tokens(*root, spec); !ok) return ok.error();
  if (auto ok = read_normalizer(*root); !ok) return ok.error();
  if (auto ok = read_pre_tokenizer(*root, spec); !ok) return ok.error();
  if (auto ok = read_post_processor(*root, spec); !ok) return ok.error();
  if (auto ok = read_decoder(*root); !ok) return ok.error();
  return spec;
}

}  // namespace llorch::tokenizer
