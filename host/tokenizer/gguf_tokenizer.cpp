#include "tokenizer/gguf_tokenizer.hpp"

#include <spdlog/fmt/fmt.h>

#include "base/text.hpp"
#include "tokenizer/bpe_parts_json.hpp"

namespace llorch::tokenizer {
namespace {

using model_file::Metadata;

// Values of tokenizer.ggml.token_type.
enum class GgufTokenType : std::uint8_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5 };

Error bad(const BpeSpec& spec, std::string_view key, std::string_view expected, std::string_view found,
          ErrorCode code = ErrorCode::kBadModel) {
  return make_error(code, fmt::format("{}: {}: expected {}, found {}", spec.origin, key, expected, found));
}

Result<void> check_kind(const Metadata& metadata, const BpeSpec& spec) {
  auto model = metadata.string("tokenizer.ggml.model");
  if (!model) return model.error();
  if (*model != "gpt2") {
    return bad(spec, "tokenizer.ggml.model", "\"gpt2\" (byte-level BPE)", quote(*model), ErrorCode::kUnsupported);
  }
  auto pre = metadata.optional_string("tokenizer.ggml.pre");
  if (!pre) return pre.error();
  if (*pre && **pre != "gpt-2" && **pre != "default") {
    return bad(spec, "tokenizer.ggml.pre", "\"gpt-2\", the only pre-tokenizer supported", quote(**pre),
               ErrorCode::kUnsupported);
  }
  return {};
}

Result<void> read_tokens(const Metadata& metadata, BpeSpec& spec) {
  auto tokens = metadata.strings("tokenizer.ggml.tokens");
  if (!tokens) return tokens.error();
  spec.tokens = std::move(*tokens);
  for (auto& token : spec.tokens) {
    if (token.data() == nullptr) token = std::string_view("");  // an empty spelling, not a missing id
  }
  // BPE has no use for scores, but a list of another length means that the file contradicts itself.
  if (metadata.find("tokenizer.ggml.scores") != nullptr) {
    auto scores = metadata.floats("tokenizer.ggml.scores");
    if (!scores) return scores.error();
    if (scores->size() != spec.tokens.size()) {
      return bad(spec, "tokenizer.ggml.scores", fmt::format("{} scores, one a token", spec.tokens.size()),
                 std::to_string(scores->size()));
    }
  }
  return {};
}

Result<void> read_types(const Metadata& metadata, BpeSpec& spec) {
  constexpr std::string_view kKey = "tokenizer.ggml.token_type";
  if (metadata.find(kKey) == nullptr) {
    // Without types nothing is known to be special but the tokens that begin and end a text.
    for (const auto& id : {spec.bos, spec.eos == spec.bos ? std::optional<TokenId>() : spec.eos}) {
      if (!id) continue;
      const std::string_view token = spec.tokens[static_cast<std::size_t>(*id)];
      spec.added.push_back({.content = std::string(token), .id = *id, .special = true});
    }
    return {};
  }
  auto types = metadata.integers(kKey);
  if (!types) return types.error();
  if (types->size() != spec.tokens.size()) {
    return bad(spec, kKey, fmt::format("{} types, one a token", spec.tokens.size()), std::to_string(types->size()));
  }
  for (std::size_t id = 0; id < types->size(); ++id) {
    const std::int64_t type = (*types)[id];
    if (type < static_cast<int>(GgufTokenType::kNormal) || type > static_cast<int>(GgufTokenType::kUnused)) {
      // 6 (one raw byte) belongs to SentencePiece vocabularies.
      return bad(spec, fmt::format("{}[{}]", kKey, id), "a type from 1 to 5", std::to_string(type));
    }
    const auto kind = static_cast<GgufTokenType>(type);
    if (kind == GgufTokenType::kNormal || kind == GgufTokenType::kUnused) continue;
    spec.added.push_back({.content = std::string(spec.tokens[id]),
                          .id = static_cast<TokenId>(id),
                          .special = kind != GgufTokenType::kUserDefined});
  }
  return {};
}

Result<void> read_merges(const Metadata& metadata, BpeSpec& spec) {
  constexpr std::string_view kKey = "tokenizer.ggml.merges";
  auto merges = metadata.strings(kKey);
  if (!merges) return merges.error();
  spec.merges.reserve(merges->size());
  for (std::size_t i = 0; i < merges->size(); ++i) {
    const auto pair = split_merge((*merges)[i]);
    if (!pair) {
      return bad(spec, fmt::format("{}[{}]", kKey, i), "two tokens with one space between", quote((*merges)[i]));
    }
    spec.merges.push_back(*pair);
  }
  return {};
}

Result<std::optional<TokenId>> read_id(const Metadata& metadata, const BpeSpec& spec, std::string_view key) {
  auto id = metadata.optional_u64(key);
  if (!id) return id.error();
  if (!*id) return std::optional<TokenId>();
  if (**id >= spec.tokens.size()) {
    return bad(spec, key, fmt::format("a token id below {}", spec.tokens.size()), std::to_string(**id));
  }
  return std::optional<TokenId>(static_cast<TokenId>(**id));
}

Result<void> read_ids(const Metadata& metadata, BpeSpec& spec) {
  const auto store = [&](std::string_view key, std::optional<TokenId>& into) -> Result<void> {
    auto id = read_id(metadata, spec, key);
    if (!id) return id.error();
    into = *id;
    return {};
  };
  if (auto ok = store("tokenizer.ggml.bos_token_id", spec.bos); !ok) return ok;
  if (auto ok = store("tokenizer.ggml.eos_token_id", spec.eos); !ok) return ok;
  for (const std::string_view key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
    std::optional<TokenId> id;
    if (auto ok = store(key, id); !ok) return ok;
    if (id) spec.end_of_generation.push_back(*id);
  }
  for (const std::string_view key : {"tokenizer.ggml.unknown_token_id", "tokenizer.ggml.padding_token_id",
                                     "tokenizer.ggml.seperator_token_id", "tokenizer.ggml.separator_token_id"}) {
    std::optional<TokenId> unused;
    if (auto ok = store(key, unused); !ok) return ok;
  }
  return {};
}

Result<void> read_rules(const Metadata& metadata, BpeSpec& spec) {
  const auto around = [&](std::string_view key, std::string_view id_key, const std::optional<TokenId>& id,
                          std::vector<TokenId>& into) -> Result<void> {
    auto wanted = metadata.optional_bool(key);
    if (!wanted) return wanted.error();
    if (!wanted->value_or(false)) return {};
    if (!id) return bad(spec, key, fmt::format("{} beside it", id_key), "none");
    into.push_back(*id);
    return {};
  };
  if (auto ok = around("tokenizer.ggml.add_bos_token", "tokenizer.ggml.bos_token_id", spec.bos, spec.prefix); !ok) {
    return ok;
  }
  if (auto ok = around("tokenizer.ggml.add_eos_token", "tokenizer.ggml.eos_token_id", spec.eos, spec.suffix); !ok) {
    return ok;
  }
  auto space = metadata.optional_bool("tokenizer.ggml.add_space_prefix");
  if (!space) return space.error();
  spec.add_prefix_space = space->value_or(false);
  return {};
}

}  // namespace

Result<BpeSpec> bpe_from_gguf(const Metadata& metadata, std::string origin) {
  BpeSpec spec;
  spec.origin = std::move(origin);
  spec.tokens_field = "tokenizer.ggml.tokens";
  spec.merges_field = "tokenizer.ggml.merges";
  if (auto ok = check_kind(metadata, spec); !ok) return ok.error();
  if (auto ok = read_tokens(metadata, spec); !ok) return ok.error();
  if (auto ok = read_ids(metadata, spec); !ok) return ok.error();
  if (auto ok = read_types(metadata, spec); !ok) return ok.error();
  if (auto ok = read_merges(metadata, spec); !ok) return ok.error();
  if (auto ok = read_rules(metadata, spec); !ok) return ok.error();
  return spec;
}

}  // namespace llorch::tokenizer
