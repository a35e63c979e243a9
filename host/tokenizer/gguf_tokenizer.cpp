#include "tokenizer/gguf_tokenizer.hpp"

#include <spdlog/fmt/fmt.h>

#include "base/text.hpp"
#include "tokenizer/bpe_parts_json.hpp"
#include "tokenizer/end_tokens.hpp"
#include "tokenizer/gguf_fields.hpp"
#include "tokenizer/gguf_pre_tokenizers.hpp"

namespace llorch::tokenizer {
namespace {

using model_file::Metadata;

// What tokenizer.ggml.pre asks for into the spec; returns whether BOS is added where the file does not say.
Result<bool> read_pre_tokenizer(const Metadata& metadata, BpeSpec& spec) {
  auto pre = metadata.optional_string("tokenizer.ggml.pre");
  if (!pre) return pre.error();
  const std::string_view name = pre->value_or("default");
  const GgufPreTokenizer* found = find_gguf_pre_tokenizer(name);
  if (found == nullptr) {
    return bad_key(spec, "tokenizer.ggml.pre", "the name of a pre-tokenizer that is supported", quote(name),
                   ErrorCode::kUnsupported);
  }
  std::vector<std::unique_ptr<PreTokenizer>> parts;
  for (const std::string_view pattern : found->patterns) {
    auto part = make_split_pre_tokenizer({.pattern = pattern});
    if (!part) return part.error();
    parts.push_back(std::move(*part));
  }
  spec.pre_tokenizer = make_pre_tokenizer_sequence(std::move(parts));
  spec.ignore_merges = found->ignore_merges;
  return found->add_bos;
}

Result<void> read_merges(const Metadata& metadata, BpeSpec& spec) {
  constexpr std::string_view kKey = "tokenizer.ggml.merges";
  auto merges = metadata.strings(kKey);
  if (!merges) return merges.error();
  spec.merges.reserve(merges->size());
  for (std::size_t i = 0; i < merges->size(); ++i) {
    const auto pair = split_merge((*merges)[i]);
    if (!pair) {
      return bad_key(spec, fmt::format("{}[{}]", kKey, i), "two tokens with one space between", quote((*merges)[i]));
    }
    spec.merges.push_back(*pair);
  }
  return {};
}

// Without types nothing is known to be special but the tokens that begin and end a text.
void add_ends_as_special(BpeSpec& spec) {
  for (const auto& id : {spec.bos, spec.eos == spec.bos ? std::optional<TokenId>() : spec.eos}) {
    if (!id) continue;
    const std::string_view token = spec.tokens[static_cast<std::size_t>(*id)];
    spec.added.push_back({.content = std::string(token), .id = *id, .special = true});
  }
}

// The types that a SentencePiece vocabulary without them is meant to have.
void guess_types(SpmSpec& spec) {
  spec.types.assign(spec.tokens.size(), PieceType::kNormal);
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
    if (byte_of_spelling(spec.tokens[id])) spec.types[id] = PieceType::kByte;
  }
  const auto set = [&](const std::optional<TokenId>& id, std::size_t otherwise, std::string_view name, PieceType type) {
    const std::size_t index = id ? static_cast<std::size_t>(*id) : otherwise;
    if (id || (index < spec.tokens.size() && spec.tokens[index] == name)) spec.types[index] = type;
  };
  set(spec.unknown, 0, "<unk>", PieceType::kUnknown);
  set(spec.bos, 1, "<s>", PieceType::kControl);
  set(spec.eos, 2, "</s>", PieceType::kControl);
}

// The ids that SentencePiece gives these tokens, for files that do not name them.
void default_ids(SpmSpec& spec) {
  const auto set = [&](std::optional<TokenId>& id, std::size_t otherwise, PieceType type) {
    if (!id && otherwise < spec.types.size() && spec.types[otherwise] == type) id = static_cast<TokenId>(otherwise);
  };
  set(spec.unknown, 0, PieceType::kUnknown);
  set(spec.bos, 1, PieceType::kControl);
  set(spec.eos, 2, PieceType::kControl);
}

}  // namespace

Result<BpeSpec> bpe_from_gguf(const Metadata& metadata, std::string origin) {
  BpeSpec spec;
  spec.origin = std::move(origin);
  spec.merges_field = "tokenizer.ggml.merges";
  auto add_bos = read_pre_tokenizer(metadata, spec);
  if (!add_bos) return add_bos.error();
  if (auto ok = read_gguf_tokens(metadata, spec); !ok) return ok.error();
  // BPE has no use for scores, but a list of another length means that the file contradicts itself.
  if (auto scores = read_gguf_scores(metadata, spec); !scores) return scores.error();
  if (auto ids = read_gguf_ids(metadata, spec); !ids) return ids.error();
  auto types = read_gguf_types(metadata, spec, PieceType::kUnused);  // one raw byte is a matter of SentencePiece
  if (!types) return types.error();
  if (types->empty()) {
    add_ends_as_special(spec);
  } else {
    add_gguf_special_tokens(*types, spec);
  }
  add_end_tokens_by_name(spec);
  if (auto ok = read_merges(metadata, spec); !ok) return ok.error();
  if (auto ok = read_gguf_rules(metadata, *add_bos, spec); !ok) return ok.error();
  auto space = metadata.optional_bool("tokenizer.ggml.add_space_prefix");
  if (!space) return space.error();
  spec.add_prefix_space = space->value_or(false);
  return spec;
}

Result<SpmSpec> spm_from_gguf(const Metadata& metadata, std::string origin) {
  SpmSpec spec;
  spec.origin = std::move(origin);
  if (auto ok = read_gguf_tokens(metadata, spec); !ok) return ok.error();
  auto scores = read_gguf_scores(metadata, spec);
  if (!scores) return scores.error();
  if (scores->empty()) return bad_key(spec, "tokenizer.ggml.scores", "scores, one a token", "nothing");
  spec.scores = std::move(*scores);
  auto types = read_gguf_types(metadata, spec, PieceType::kByte);
  if (!types) return types.error();
  spec.types = std::move(*types);
  auto unknown = read_gguf_ids(metadata, spec);
  if (!unknown) return unknown.error();
  spec.unknown = *unknown;
  if (spec.types.empty()) guess_types(spec);
  default_ids(spec);
  add_gguf_special_tokens(spec.types, spec);
  add_end_tokens_by_name(spec);
  if (auto ok = read_gguf_rules(metadata, true, spec); !ok) return ok.error();
  auto space = metadata.optional_bool("tokenizer.ggml.add_space_prefix");
  if (!space) return space.error();
  spec.space_prefix = space->value_or(true) ? SpacePrefix::kEveryText : SpacePrefix::kNone;
  auto squeeze = metadata.optional_bool("tokenizer.ggml.remove_extra_whitespaces");
  if (!squeeze) return squeeze.error();
  spec.remove_extra_spaces = squeeze->value_or(false);
  return spec;
}

Result<std::unique_ptr<Tokenizer>> load_gguf_tokenizer(const Metadata& metadata, const std::string& origin) {
  auto model = metadata.string("tokenizer.ggml.model");
  if (!model) return model.error();
  if (*model == "gpt2") {
    auto spec = bpe_from_gguf(metadata, origin);
    if (!spec) return spec.error();
    return make_bpe_tokenizer(*spec);
  }
  if (*model == "llama") {
    auto spec = spm_from_gguf(metadata, origin);
    if (!spec) return spec.error();
    return make_spm_tokenizer(*spec);
  }
  return make_error(ErrorCode::kUnsupported,
                    fmt::format("{}: tokenizer.ggml.model: expected \"gpt2\" (byte-level BPE) or \"llama\" "
                                "(SentencePiece BPE), found {}",
                                origin, quote(*model)));
}

}  // namespace llorch::tokenizer
