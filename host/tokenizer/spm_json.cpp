#include "tokenizer/spm_json.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "base/text.hpp"
#include "tokenizer/json_components.hpp"

namespace llorch::tokenizer {
namespace {

namespace json = boost::json;

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581

// Which of the two places turns spaces into marks.
struct SpaceRules {
  bool by_normalizer = false;
  bool by_metaspace = false;
};

// {"String": "..."} of a Replace or a Split.
Result<std::string_view> literal_pattern(const JsonFields& fields) {
  auto pattern = fields.object("pattern");
  if (!pattern) return pattern.error();
  if (*pattern == nullptr) return fields.error("pattern", "an object", "nothing");
  const JsonFields inner(**pattern, fields.origin(), fields.place("pattern"));
  if (auto ok = only_known(inner, {"String"}); !ok) return ok.error();
  auto literal = inner.string("String");
  if (!literal) return literal.error();
  if (!*literal) return inner.error("String", "a string", "nothing");
  return **literal;
}

Result<void> expect_string(const JsonFields& fields, std::string_view key, std::string_view expected) {
  auto value = fields.string(key);
  if (!value) return value.error();
  if (value->value_or("") == expected) return {};
  return fields.error(key, quote(expected), *value ? quote(**value) : "nothing", ErrorCode::kUnsupported);
}

Result<void> expect_number(const JsonFields& fields, std::string_view key, std::int64_t expected) {
  const json::value* value = fields.find(key);
  if (value != nullptr && value->is_int64() && value->get_int64() == expected) return {};
  return fields.error(key, std::to_string(expected), value == nullptr ? "nothing" : describe(*value),
                      ErrorCode::kUnsupported);
}

// Prepend U+2581, and replace spaces by it.
Result<void> read_normalizer(const JsonFields& root, SpmSpec& spec, SpaceRules& spaces) {
  auto parts = component(root, "normalizer", "normalizers");
  if (!parts) return parts.error();
  for (const JsonFields& fields : *parts) {
    auto type = type_of(fields);
    if (!type) return type.error();
    if (*type == "Prepend") {
      if (auto ok = only_known(fields, {"type", "prepend"}); !ok) return ok;
      if (auto ok = expect_string(fields, "prepend", kSpaceMark); !ok) return ok;
      spec.space_prefix = SpacePrefix::kEveryText;
    } else if (*type == "Replace") {
      if (auto ok = only_known(fields, {"type", "pattern", "content"}); !ok) return ok;
      auto pattern = literal_pattern(fields);
      if (!pattern) return pattern.error();
      if (*pattern != " ") return fields.error("pattern", "\" \"", quote(*pattern), ErrorCode::kUnsupported);
      if (auto ok = expect_string(fields, "content", kSpaceMark); !ok) return ok;
      spaces.by_normalizer = true;
    } else {
      return unsupported_type(fields, "\"Prepend\" or \"Replace\"", *type);
    }
  }
  return {};
}

Result<void> read_metaspace(const JsonFields& fields, SpmSpec& spec) {
  if (auto ok = only_known(fields, {"type", "replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep"});
      !ok) {
    return ok;
  }
  if (auto ok = expect_string(fields, "replacement", kSpaceMark); !ok) return ok;
  auto add = fields.boolean("add_prefix_space", true);  // what there was before the scheme
  if (!add) return add.error();
  auto scheme = fields.string("prepend_scheme");
  if (!scheme) return scheme.error();
  const std::string_view name = scheme->value_or(*add ? "always" : "never");
  if (name != "always" && name != "first" && name != "never") {
    return fields.error("prepend_scheme", "\"always\", \"first\" or \"never\"", quote(name), ErrorCode::kUnsupported);
  }
  if (name != "never") {
    spec.space_prefix = name == "always" ? SpacePrefix::kEveryText : SpacePrefix::kFirstText;
    spec.prefix_only_where_missing = true;
  }
  auto split = fields.boolean("split", true);
  if (!split) return split.error();
  spec.split_at_spaces = *split;
  return {};
}

Result<void> read_pre_tokenizer(const JsonFields& root, SpmSpec& spec, SpaceRules& spaces) {
  auto parts = component(root, "pre_tokenizer", "pretokenizers");
  if (!parts) return parts.error();
  for (const JsonFields& fields : *parts) {
    auto type = type_of(fields);
    if (!type) return type.error();
    if (*type == "Metaspace" && !spaces.by_metaspace) {
      if (auto ok = read_metaspace(fields, spec); !ok) return ok;
      spaces.by_metaspace = true;
    } else if (*type == "Split" && spaces.by_normalizer) {
      // Gemma's files split at spaces when none is left.
      auto pattern = literal_pattern(fields);
      if (!pattern) return pattern.error();
      if (*pattern != " ") return fields.error("pattern", "\" \"", quote(*pattern), ErrorCode::kUnsupported);
    } else {
      return unsupported_type(fields, "one \"Metaspace\"", *type);
    }
  }
  if (spaces.by_metaspace || spaces.by_normalizer) return {};
  return root.error("pre_tokenizer", "a Metaspace, or a normalizer that replaces spaces by U+2581", "neither",
                    ErrorCode::kUnsupported);
}

Result<void> read_decoder(const JsonFields& root, SpmSpec& spec) {
  auto parts = component(root, "decoder", "decoders");
  if (!parts) return parts.error();
  spec.strips_leading_space = false;
  for (const JsonFields& fields : *parts) {
    auto type = type_of(fields);
    if (!type) return type.error();
    if (*type == "ByteFallback" || *type == "Fuse") continue;
    if (*type == "Replace") {
      auto pattern = literal_pattern(fields);
      if (!pattern) return pattern.error();
      if (*pattern != kSpaceMark) {
        return fields.error("pattern", quote(kSpaceMark), quote(*pattern), ErrorCode::kUnsupported);
      }
      if (auto ok = expect_string(fields, "content", " "); !ok) return ok;
    } else if (*type == "Strip") {
      if (auto ok = expect_string(fields, "content", " "); !ok) return ok;
      if (auto ok = expect_number(fields, "start", 1); !ok) return ok;
      if (auto ok = expect_number(fields, "stop", 0); !ok) return ok;
      spec.strips_leading_space = true;
    } else if (*type == "Metaspace") {
      SpmSpec unused;
      if (auto ok = read_metaspace(fields, unused); !ok) return ok;
      spec.strips_leading_space = unused.space_prefix != SpacePrefix::kNone;
    } else {
      return unsupported_type(fields, "\"Replace\", \"ByteFallback\", \"Fuse\", \"Strip\" or \"Metaspace\"", *type);
    }
  }
  return {};
}

// Types as SentencePiece has them: added special tokens are control tokens, "<0x0A>" is a byte.
void set_types(SpmSpec& spec) {
  spec.types.assign(spec.tokens.size(), PieceType::kNormal);
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
    if (spec.byte_fallback && byte_of_spelling(spec.tokens[id])) spec.types[id] = PieceType::kByte;
  }
  for (const AddedToken& token : spec.added) {
    const auto id = static_cast<std::size_t>(token.id);
    if (token.special && id < spec.types.size()) spec.types[id] = PieceType::kControl;
  }
  spec.scores.assign(spec.tokens.size(), 0);
}

Result<void> read_unknown(const JsonFields& model, SpmSpec& spec) {
  auto fuse = model.boolean("fuse_unk", false);
  if (!fuse) return fuse.error();
  spec.fuse_unknown = *fuse;
  auto name = model.string("unk_token");
  if (!name) return name.error();
  if (!*name) return {};
  const auto found = std::find(spec.tokens.begin(), spec.tokens.end(), **name);
  if (found == spec.tokens.end()) return model.error("unk_token", "a token of the vocabulary", quote(**name));
  spec.unknown = static_cast<TokenId>(found - spec.tokens.begin());
  return {};
}

bool mentions(const json::value& value, std::string_view type, int depth = 0) {
  if (const auto* object = value.if_object()) {
    const auto* own = object->if_contains("type");
    if (own != nullptr && own->is_string() && own->get_string() == type) return true;
    for (const std::string_view list : {"normalizers", "pretokenizers"}) {
      const auto* members = object->if_contains(list);
      if (members != nullptr && depth == 0 && mentions(*members, type, 1)) return true;
    }
    return false;
  }
  const auto* array = value.if_array();
  return array != nullptr && std::any_of(array->begin(), array->end(),
                                         [&](const json::value& member) { return mentions(member, type, 1); });
}

}  // namespace

bool is_spm_json(const json::value& document) {
  const auto* root = document.if_object();
  if (root == nullptr) return false;
  const auto* model = root->if_contains("model");
  const auto* model_object = model != nullptr ? model->if_object() : nullptr;
  const auto* fallback = model_object != nullptr ? model_object->if_contains("byte_fallback") : nullptr;
  if (fallback != nullptr && fallback->is_bool() && fallback->get_bool()) return true;
  const auto* pre_tokenizer = root->if_contains("pre_tokenizer");
  if (pre_tokenizer != nullptr && mentions(*pre_tokenizer, "Metaspace")) return true;
  const auto* normalizer = root->if_contains("normalizer");
  return normalizer != nullptr && (mentions(*normalizer, "Prepend") || mentions(*normalizer, "Replace"));
}

Result<SpmSpec> spm_from_tokenizer_json(const json::value& document, std::string origin) {
  SpmSpec spec;
  spec.origin = std::move(origin);
  spec.tokens_field = "model.vocab";
  spec.merges_field = "model.merges";
  spec.by_merges = true;
  spec.space_prefix = SpacePrefix::kNone;
  auto root = tokenizer_json_root(document, spec.origin);
  if (!root) return root.error();
  auto model = model_fields(*root);
  if (!model) return model.error();
  auto byte_fallback = model->boolean("byte_fallback", false);
  if (!byte_fallback) return byte_fallback.error();
  spec.byte_fallback = *byte_fallback;
  auto ignore_merges = model->boolean("ignore_merges", false);
  if (!ignore_merges) return ignore_merges.error();
  if (*ignore_merges) return model->error("ignore_merges", "false", "true", ErrorCode::kUnsupported);
  if (auto ok = read_vocabulary(*model, spec); !ok) return ok.error();
  if (auto ok = read_merges(*model, spec.merges); !ok) return ok.error();
  if (auto ok = read_unknown(*model, spec); !ok) return ok.error();
  if (auto ok = read_added_tokens(*root, spec); !ok) return ok.error();
  SpaceRules spaces;
  if (auto ok = read_normalizer(*root, spec, spaces); !ok) return ok.error();
  if (auto ok = read_pre_tokenizer(*root, spec, spaces); !ok) return ok.error();
  if (auto ok = read_post_processor(*root, spec); !ok) return ok.error();
  if (auto ok = read_decoder(*root, spec); !ok) return ok.error();
  set_types(spec);
  return spec;
}

}  // namespace llorch::tokenizer
