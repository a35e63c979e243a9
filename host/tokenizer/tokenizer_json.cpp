#include "tokenizer/tokenizer_json.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "base/text.hpp"
#include "tokenizer/json_components.hpp"

namespace llorch::tokenizer {
namespace {

namespace json = boost::json;

Result<void> read_normalizer(const JsonFields& root) {
  auto parts = component(root, "normalizer", "normalizers");
  if (!parts) return parts.error();
  if (parts->empty()) return {};
  auto type = type_of(parts->front());
  if (!type) return type.error();
  return unsupported_type(parts->front(), "no normalizer", *type);
}

struct NamedBehavior {
  std::string_view name;
  SplitBehavior behavior;
};
constexpr NamedBehavior kBehaviors[] = {{"Isolated", SplitBehavior::kIsolated},
                                        {"Removed", SplitBehavior::kRemoved},
                                        {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
                                        {"MergedWithNext", SplitBehavior::kMergedWithNext},
                                        {"Contiguous", SplitBehavior::kContiguous}};

Result<std::unique_ptr<PreTokenizer>> read_split(const JsonFields& fields) {
  if (auto ok = only_known(fields, {"type", "pattern", "behavior", "invert"}); !ok) return ok.error();
  auto pattern = fields.object("pattern");
  if (!pattern) return pattern.error();
  if (*pattern == nullptr) return fields.error("pattern", "an object", "nothing");
  const JsonFields pattern_fields(**pattern, fields.origin(), fields.place("pattern"));
  if (auto ok = only_known(pattern_fields, {"Regex", "String"}); !ok) return ok.error();
  auto regex = pattern_fields.string("Regex");
  if (!regex) return regex.error();
  auto literal = pattern_fields.string("String");
  if (!literal) return literal.error();
  if (regex->has_value() == literal->has_value() || (*literal && (*literal)->empty())) {
    return fields.error("pattern", "a Regex or a String that is not empty", "neither or both");
  }
  SplitRule rule;
  rule.pattern = *regex ? **regex : **literal;
  rule.is_literal = !*regex;
  auto behavior = fields.string("behavior");
  if (!behavior) return behavior.error();
  const auto* named = std::find_if(std::begin(kBehaviors), std::end(kBehaviors),
                                   [&](const NamedBehavior& b) { return *behavior && b.name == **behavior; });
  if (named == std::end(kBehaviors)) {
    return fields.error("behavior",
                        "\"Isolated\", \"Removed\", \"MergedWithPrevious\", \"MergedWithNext\" or "
                        "\"Contiguous\"",
                        quote(behavior->value_or("")), ErrorCode::kUnsupported);
  }
  rule.behavior = named->behavior;
  auto invert = fields.boolean("invert", false);
  if (!invert) return invert.error();
  rule.invert = *invert;
  auto split = make_split_pre_tokenizer(rule);
  if (split) return split;
  return make_error(split.error().code,
                    fmt::format("{}: {}: {}", fields.origin(), fields.place("pattern"), split.error().message));
}

Result<std::unique_ptr<PreTokenizer>> read_digits(const JsonFields& fields) {
  if (auto ok = only_known(fields, {"type", "individual_digits"}); !ok) return ok.error();
  auto individual = fields.boolean("individual_digits", false);
  if (!individual) return individual.error();
  return std::unique_ptr<PreTokenizer>(make_digits_pre_tokenizer(*individual));
}

// ByteLevel, the last of the parts; `is_only` when none is before it.
Result<std::unique_ptr<PreTokenizer>> read_byte_level(const JsonFields& fields, bool is_only, BpeSpec& spec) {
  if (auto ok = only_known(fields, {"type", "add_prefix_space", "trim_offsets", "use_regex"}); !ok) return ok.error();
  if (fields.find("add_prefix_space") == nullptr) return fields.error("add_prefix_space", "true or false", "nothing");
  auto prefix_space = fields.boolean("add_prefix_space", false);
  if (!prefix_space) return prefix_space.error();
  auto use_regex = fields.boolean("use_regex", true);
  if (!use_regex) return use_regex.error();
  if (!is_only && *prefix_space) {  // it would act on every piece
    return fields.error("add_prefix_space", "false after other pre-tokenizers", "true", ErrorCode::kUnsupported);
  }
  spec.add_prefix_space = *prefix_space;
  return std::unique_ptr<PreTokenizer>(*use_regex ? make_gpt2_pre_tokenizer() : make_whole_text_pre_tokenizer());
}

Result<void> read_pre_tokenizer(const JsonFields& root, BpeSpec& spec) {
  auto parts = component(root, "pre_tokenizer", "pretokenizers");
  if (!parts) return parts.error();
  if (parts->empty()) {
    return root.error("pre_tokenizer", "ByteLevel, alone or after others", "0 parts", ErrorCode::kUnsupported);
  }
  constexpr std::size_t kMaxParts = 32;
  if (parts->size() > kMaxParts) {
    return root.error("pre_tokenizer", fmt::format("at most {} parts", kMaxParts), std::to_string(parts->size()),
                      ErrorCode::kUnsupported);
  }
  std::vector<std::unique_ptr<PreTokenizer>> made;
  for (std::size_t i = 0; i < parts->size(); ++i) {
    const JsonFields& fields = (*parts)[i];
    auto type = type_of(fields);
    if (!type) return type.error();
    const bool is_last = i + 1 == parts->size();
    if (is_last != (*type == "ByteLevel") || (!is_last && *type != "Split" && *type != "Digits")) {
      return unsupported_type(fields, is_last ? "\"ByteLevel\"" : "\"Split\" or \"Digits\" before ByteLevel", *type);
    }
    auto part = *type == "Split"    ? read_split(fields)
                : *type == "Digits" ? read_digits(fields)
                                    : read_byte_level(fields, i == 0, spec);
    if (!part) return part.error();
    made.push_back(std::move(*part));
  }
  spec.pre_tokenizer = make_pre_tokenizer_sequence(std::move(made));
  return {};
}

Result<void> read_decoder(const JsonFields& root) {
  auto parts = component(root, "decoder", "decoders");
  if (!parts) return parts.error();
  for (const JsonFields& fields : *parts) {
    auto type = type_of(fields);
    if (!type) return type.error();
    if (*type != "ByteLevel") return unsupported_type(fields, "\"ByteLevel\"", *type);
  }
  return {};
}

}  // namespace

Result<BpeSpec> bpe_from_tokenizer_json(const json::value& document, std::string origin) {
  BpeSpec spec;
  spec.origin = std::move(origin);
  spec.tokens_field = "model.vocab";
  spec.merges_field = "model.merges";
  auto root = tokenizer_json_root(document, spec.origin);
  if (!root) return root.error();
  // unk_token and fuse_unk say what to do with unknown bytes; there are none, all are required.
  auto model = model_fields(*root);
  if (!model) return model.error();
  auto byte_fallback = model->boolean("byte_fallback", false);
  if (!byte_fallback) return byte_fallback.error();
  if (*byte_fallback) return model->error("byte_fallback", "false", "true", ErrorCode::kUnsupported);
  auto ignore_merges = model->boolean("ignore_merges", false);
  if (!ignore_merges) return ignore_merges.error();
  spec.ignore_merges = *ignore_merges;
  if (auto ok = read_vocabulary(*model, spec); !ok) return ok.error();
  if (auto ok = read_merges(*model, spec.merges); !ok) return ok.error();
  if (auto ok = read_added_tokens(*root, spec); !ok) return ok.error();
  if (auto ok = read_normalizer(*root); !ok) return ok.error();
  if (auto ok = read_pre_tokenizer(*root, spec); !ok) return ok.error();
  if (auto ok = read_post_processor(*root, spec); !ok) return ok.error();
  if (auto ok = read_decoder(*root); !ok) return ok.error();
  return spec;
}

}  // namespace llorch::tokenizer
