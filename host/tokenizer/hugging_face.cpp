#include "tokenizer/hugging_face.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <boost/json/value.hpp>
#include <boost/unordered/unordered_flat_map.hpp>

#include "base/json.hpp"
#include "base/text.hpp"
#include "model_file/file.hpp"
#include "tokenizer/bpe_parts_json.hpp"
#include "tokenizer/companions.hpp"
#include "tokenizer/end_tokens.hpp"
#include "tokenizer/spm_json.hpp"
#include "tokenizer/spm_model_file.hpp"
#include "tokenizer/tokenizer_json.hpp"

namespace llorch::tokenizer {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::uint64_t kMaxTokenizerBytes = 64u << 20;

constexpr std::string_view kGpt2EndOfText = "<|endoftext|>";

Result<json::value> parse_document(std::string_view text, const std::string& origin) {
  auto document = parse_json(text);
  if (document) return document;
  return make_error(ErrorCode::kBadModel, fmt::format("{}: {}", origin, document.error().message));
}

// Looks tokens up by their spelling, among the added tokens and in the list.
class Spellings {
 public:
  explicit Spellings(const TokenizerSpec& spec) {
    for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
      if (spec.tokens[id].data() != nullptr) ids_.emplace(spec.tokens[id], static_cast<TokenId>(id));
    }
    for (const AddedToken& token : spec.added)
      ids_.emplace(token.content, token.id);
  }

  [[nodiscard]] Result<TokenId> find(const NamedToken& named) const {
    const auto found = ids_.find(std::string_view(named.token.content));
    if (found != ids_.end()) return found->second;
    return make_error(ErrorCode::kBadModel, fmt::format("{}: expected a token of the vocabulary, found {}", named.field,
                                                        quote(named.token.content)));
  }

 private:
  boost::unordered_flat_map<std::string_view, TokenId> ids_;
};

Result<void> set_ends(TokenizerSpec& spec, const Companions& companions, const ConfigIds& config) {
  const Spellings spellings(spec);
  const auto named = [&](const std::optional<NamedToken>& token, std::optional<TokenId>& into) -> Result<void> {
    if (!token) return {};
    auto id = spellings.find(*token);
    if (!id) return id.error();
    into = *id;
    return {};
  };
  spec.bos = companions.generation_bos ? companions.generation_bos : config.bos;
  spec.eos =
      !companions.generation_ends.empty() ? std::optional<TokenId>(companions.generation_ends.front()) : config.eos;
  if (auto ok = named(companions.bos, spec.bos); !ok) return ok;
  if (auto ok = named(companions.eos, spec.eos); !ok) return ok;
  spec.end_of_generation = companions.generation_ends;
  if (config.eos) spec.end_of_generation.push_back(*config.eos);
  spec.end_of_generation.insert(spec.end_of_generation.end(), config.ends.begin(), config.ends.end());
  if (companions.eot) {
    // The class of Code Llama's tokenizer names one for all of its vocabularies, and not all of them have it.
    const auto id = spellings.find(*companions.eot);
    if (id) add_end_token(spec, *id);
  }
  add_end_tokens_by_name(spec);
  return {};
}

// What add_bos_token or add_eos_token asks for, in place of what `into` had.
Result<void> put_around(const TokenizerSpec& spec, std::string_view field, bool wanted,
                        const std::optional<TokenId>& id, std::vector<TokenId>& into) {
  into.clear();
  if (!wanted) return {};
  if (!id) {
    return make_error(
        ErrorCode::kBadModel,
        fmt::format("{}: tokenizer_config.json asks for {}, no file names that token", spec.origin, field));
  }
  into.push_back(*id);
  return {};
}

// add_bos_token and add_eos_token; `bos_otherwise` is what holds where the first is not said.
Result<void> set_tokens_around(TokenizerSpec& spec, const Companions& companions, bool bos_otherwise) {
  const bool add_bos = companions.add_bos.value_or(bos_otherwise && spec.bos.has_value());
  if (auto ok = put_around(spec, "add_bos_token", add_bos, spec.bos, spec.prefix); !ok) return ok;
  return put_around(spec, "add_eos_token", companions.add_eos.value_or(false), spec.eos, spec.suffix);
}

// Beside a tokenizer.json, whose post-processor says what goes around a text, the two flags count only where the model
// was made with one of the classes that replaced the post-processor by what the flags say (transformers 4).
Result<void> replace_tokens_around(TokenizerSpec& spec, const Companions& companions) {
  std::string_view name = companions.tokenizer_class;
  if (name.ends_with("Fast")) name.remove_suffix(4);
  if (name != "LlamaTokenizer" && name != "CodeLlamaTokenizer") return {};
  const auto replace = [&](std::string_view field, std::optional<bool> wanted, const std::optional<TokenId>& id,
                           std::vector<TokenId>& into) -> Result<void> {
    const bool knows_better = wanted.value_or(false) && !id && !into.empty();  // a token that no other file names
    if (!wanted || knows_better) return {};
    return put_around(spec, field, *wanted, id, into);
  };
  if (auto ok = replace("add_bos_token", companions.add_bos, spec.bos, spec.prefix); !ok) return ok;
  return replace("add_eos_token", companions.add_eos, spec.eos, spec.suffix);
}

Result<std::unique_ptr<Tokenizer>> from_tokenizer_json(const fs::path& path, std::string_view text,
                                                       const Companions& companions, const ConfigIds& config) {
  auto document = parse_document(text, path.native());
  if (!document) return document.error();
  if (is_spm_json(*document)) {
    auto spec = spm_from_tokenizer_json(*document, path.native());
    if (!spec) return spec.error();
    if (auto ok = set_ends(*spec, companions, config); !ok) return ok.error();
    if (auto ok = replace_tokens_around(*spec, companions); !ok) return ok.error();
    return make_spm_tokenizer(*spec);
  }
  auto spec = bpe_from_tokenizer_json(*document, path.native());
  if (!spec) return spec.error();
  if (auto ok = set_ends(*spec, companions, config); !ok) return ok.error();
  if (auto ok = replace_tokens_around(*spec, companions); !ok) return ok.error();
  return make_bpe_tokenizer(*spec);
}

// One merge a line. A line that starts with "#version" is a comment, as in the files that came with GPT-2.
Result<void> read_merge_lines(std::string_view text, const std::string& origin, BpeSpec& spec) {
  std::size_t line_number = 0;
  while (!text.empty()) {
    ++line_number;
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with("#version")) continue;
    const auto pair = split_merge(line);
    if (!pair) {
      return make_error(ErrorCode::kBadModel,
                        fmt::format("{}: line {}: expected two tokens with one space between, found {}", origin,
                                    line_number, quote(line)));
    }
    spec.merges.push_back(*pair);
  }
  return {};
}

// Special and added tokens that live in the files beside the vocabulary.
Result<void> add_tokens_of_companions(TokenizerSpec& spec, const Companions& companions) {
  const auto find = [&](std::string_view content) {
    return std::find_if(spec.added.begin(), spec.added.end(),
                        [&](const AddedToken& t) { return t.content == content; });
  };
  for (const AddedToken& token : companions.added) {
    if (find(token.content) == spec.added.end()) spec.added.push_back(token);
  }
  std::vector<NamedToken> all = companions.others;
  if (companions.bos) all.push_back(*companions.bos);
  if (companions.eos) all.push_back(*companions.eos);
  const Spellings spellings(spec);
  for (NamedToken& named : all) {
    auto id = spellings.find(named);
    if (!id) return id.error();
    if (const auto added = find(named.token.content); added != spec.added.end()) {
      added->special = true;
      continue;
    }
    named.token.id = *id;
    named.token.special = true;
    spec.added.push_back(named.token);
  }
  return {};
}

// What GPT-2's own files leave unsaid: <|endoftext|> begins and ends a text.
void name_gpt2_ends(const BpeSpec& spec, Companions& companions) {
  if (std::find(spec.tokens.begin(), spec.tokens.end(), kGpt2EndOfText) == spec.tokens.end()) return;
  for (auto* named : {&companions.bos, &companions.eos}) {
    if (*named) continue;
    named->emplace();
    (*named)->token.content = kGpt2EndOfText;
    (*named)->field = fmt::format("{}: GPT-2's default special token", spec.origin);
  }
}

Result<std::unique_ptr<Tokenizer>> from_vocabulary_and_merges(const fs::path& vocabulary_path, std::string_view text,
                                                              Companions companions, const ConfigIds& config) {
  BpeSpec spec;
  spec.origin = vocabulary_path.native();
  auto document = parse_document(text, spec.origin);
  if (!document) return document.error();
  if (!document->is_object()) {
    return make_error(ErrorCode::kBadModel,
                      fmt::format("{}: expected an object at the root, found {}", spec.origin, describe(*document)));
  }
  if (auto ok = tokens_from_vocabulary(document->get_object(), spec); !ok) return ok.error();

  const fs::path merges_path = vocabulary_path.parent_path() / "merges.txt";
  const auto merges = model_file::read_text_file(merges_path, kMaxTokenizerBytes);
  if (!merges) return merges.error();
  spec.merges_field = "merges.txt";
  if (auto ok = read_merge_lines(*merges, merges_path.native(), spec); !ok) return ok.error();
  name_gpt2_ends(spec, companions);
  if (auto ok = add_tokens_of_companions(spec, companions); !ok) return ok.error();
  if (auto ok = set_ends(spec, companions, config); !ok) return ok.error();

  spec.add_prefix_space = companions.add_prefix_space.value_or(false);
  if (auto ok = set_tokens_around(spec, companions, false); !ok) return ok.error();
  return make_bpe_tokenizer(spec);
}

Result<std::unique_ptr<Tokenizer>> from_model_file(const fs::path& path, std::string_view bytes,
                                                   const Companions& companions, const ConfigIds& config) {
  auto spec = spm_from_model_file(bytes, path.native());
  if (!spec) return spec.error();
  if (auto ok = add_tokens_of_companions(*spec, companions); !ok) return ok.error();
  const auto bos = spec->bos;
  const auto eos = spec->eos;
  if (auto ok = set_ends(*spec, companions, config); !ok) return ok.error();
  if (!spec->bos) spec->bos = bos;
  if (!spec->eos) spec->eos = eos;
  if (auto ok = set_tokens_around(*spec, companions, true); !ok) return ok.error();
  if (spec->space_prefix == SpacePrefix::kEveryText && !companions.legacy.value_or(true)) {
    spec->space_prefix = SpacePrefix::kFirstText;
  }
  if (!companions.add_prefix_space.value_or(true)) spec->space_prefix = SpacePrefix::kNone;
  return make_spm_tokenizer(*spec);
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> load_hugging_face_tokenizer(const fs::path& directory, const ConfigIds& config) {
  auto companions = read_companions(directory);
  if (!companions) return companions.error();
  const fs::path tokenizer_path = directory / "tokenizer.json";
  const auto tokenizer = model_file::read_text_file(tokenizer_path, kMaxTokenizerBytes);
  if (tokenizer) return from_tokenizer_json(tokenizer_path, *tokenizer, *companions, config);
  if (tokenizer.error().code != ErrorCode::kNotFound) return tokenizer.error();

  const fs::path model_path = directory / "tokenizer.model";
  const auto model = model_file::read_text_file(model_path, kMaxTokenizerBytes);
  if (model) return from_model_file(model_path, *model, *companions, config);
  if (model.error().code != ErrorCode::kNotFound) return model.error();

  const fs::path vocabulary_path = directory / "vocab.json";
  const auto vocabulary = model_file::read_text_file(vocabulary_path, kMaxTokenizerBytes);
  if (vocabulary) return from_vocabulary_and_merges(vocabulary_path, *vocabulary, std::move(*companions), config);
  if (vocabulary.error().code != ErrorCode::kNotFound) return vocabulary.error();
  return make_error(
      ErrorCode::kNotFound,
      fmt::format("{}: expected tokenizer.json, tokenizer.model, or vocab.json and merges.txt, found none of them",
                  directory.native()));
}

}  // namespace llorch::tokenizer
