#include "tokenizer/gguf_fields.hpp"

#include <spdlog/fmt/fmt.h>

#include <limits>

namespace llorch::tokenizer {

using model_file::Metadata;

Error bad_key(const TokenizerSpec& spec, std::string_view key, std::string_view expected, std::string_view found,
              ErrorCode code) {
  return make_error(code, fmt::format("{}: {}: expected {}, found {}", spec.origin, key, expected, found));
}

Result<void> read_gguf_tokens(const Metadata& metadata, TokenizerSpec& spec) {
  spec.tokens_field = "tokenizer.ggml.tokens";
  auto tokens = metadata.strings("tokenizer.ggml.tokens");
  if (!tokens) return tokens.error();
  spec.tokens = std::move(*tokens);
  for (auto& token : spec.tokens) {
    if (token.data() == nullptr) token = std::string_view("");  // an empty spelling, not a missing id
  }
  return {};
}

Result<std::vector<float>> read_gguf_scores(const Metadata& metadata, const TokenizerSpec& spec) {
  constexpr std::string_view kKey = "tokenizer.ggml.scores";
  if (metadata.find(kKey) == nullptr) return std::vector<float>();
  auto scores = metadata.floats(kKey);
  if (!scores) return scores.error();
  if (scores->size() != spec.tokens.size()) {
    return bad_key(spec, kKey, fmt::format("{} scores, one a token", spec.tokens.size()),
                   std::to_string(scores->size()));
  }
  return scores;
}

Result<std::vector<PieceType>> read_gguf_types(const Metadata& metadata, const TokenizerSpec& spec, PieceType last) {
  constexpr std::string_view kKey = "tokenizer.ggml.token_type";
  std::vector<PieceType> out;
  if (metadata.find(kKey) == nullptr) return out;
  auto types = metadata.integers(kKey);
  if (!types) return types.error();
  if (types->size() != spec.tokens.size()) {
    return bad_key(spec, kKey, fmt::format("{} types, one a token", spec.tokens.size()), std::to_string(types->size()));
  }
  out.reserve(types->size());
  for (std::size_t id = 0; id < types->size(); ++id) {
    const std::int64_t type = (*types)[id];
    if (type < static_cast<int>(PieceType::kNormal) || type > static_cast<int>(last)) {
      return bad_key(spec, fmt::format("{}[{}]", kKey, id),
                     fmt::format("a type from {} to {}", static_cast<int>(PieceType::kNormal), static_cast<int>(last)),
                     std::to_string(type));
    }
    out.push_back(static_cast<PieceType>(type));
  }
  return out;
}

void add_gguf_special_tokens(const std::vector<PieceType>& types, TokenizerSpec& spec) {
  for (std::size_t id = 0; id < types.size(); ++id) {
    const PieceType type = types[id];
    if (type != PieceType::kControl && type != PieceType::kUnknown && type != PieceType::kUserDefined) continue;
    spec.added.push_back({.content = std::string(spec.tokens[id]),
                          .id = static_cast<TokenId>(id),
                          .special = type != PieceType::kUserDefined});
  }
}

Result<std::optional<TokenId>> read_gguf_ids(const Metadata& metadata, TokenizerSpec& spec) {
  const auto read = [&](std::string_view key) -> Result<std::optional<TokenId>> {
    auto id = metadata.optional_u64(key);
    if (!id) return id.error();
    if (!*id) return std::optional<TokenId>();
    if (**id >= spec.tokens.size()) {
      return bad_key(spec, key, fmt::format("a token id below {}", spec.tokens.size()), std::to_string(**id));
    }
    return std::optional<TokenId>(static_cast<TokenId>(**id));
  };
  // Some writers spell "none" as -1 in 32 bits. Nothing depends on these tokens, so that is let pass.
  const auto read_lenient = [&](std::string_view key) -> Result<std::optional<TokenId>> {
    const auto id = metadata.optional_u64(key);
    if (id && *id == std::numeric_limits<std::uint32_t>::max()) return std::optional<TokenId>();
    return read(key);
  };
  auto bos = read("tokenizer.ggml.bos_token_id");
  if (!bos) return bos.error();
  spec.bos = *bos;
  auto eos = read("tokenizer.ggml.eos_token_id");
  if (!eos) return eos.error();
  spec.eos = *eos;
  for (const std::string_view key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
    auto id = read_lenient(key);
    if (!id) return id.error();
    if (*id) spec.end_of_generation.push_back(**id);
  }
  for (const std::string_view key : {"tokenizer.ggml.padding_token_id", "tokenizer.ggml.seperator_token_id",
                                     "tokenizer.ggml.separator_token_id", "tokenizer.ggml.mask_token_id"}) {
    auto id = read_lenient(key);
    if (!id) return id.error();
  }
  return read_lenient("tokenizer.ggml.unknown_token_id");
}

Result<void> read_gguf_rules(const Metadata& metadata, bool bos_otherwise, TokenizerSpec& spec) {
  const auto around = [&](std::string_view key, bool otherwise, std::string_view id_key,
                          const std::optional<TokenId>& id, std::vector<TokenId>& into) -> Result<void> {
    auto wanted = metadata.optional_bool(key);
    if (!wanted) return wanted.error();
    if (!wanted->value_or(otherwise && id.has_value())) return {};
    if (!id) return bad_key(spec, key, fmt::format("{} beside it", id_key), "none");
    into.push_back(*id);
    return {};
  };
  if (auto ok =
          around("tokenizer.ggml.add_bos_token", bos_otherwise, "tokenizer.ggml.bos_token_id", spec.bos, spec.prefix);
      !ok) {
    return ok;
  }
  return around("tokenizer.ggml.add_eos_token", false, "tokenizer.ggml.eos_token_id", spec.eos, spec.suffix);
}

}  // namespace llorch::tokenizer
