#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "tokenizer/gguf_tokenizer.hpp"
#include "tokenizer/hugging_face.hpp"
#include "tokenizer/tokenizer.hpp"

namespace llorch::tokenizer {
namespace {

using model_file::Format;
using model_file::ModelFile;

// A token without an embedding row would reach the plugin as an id out of range. Rows without a token are padding:
// usual in Hugging Face files, whereas a GGUF file has a token for each.
Result<void> check_embedding_rows(const ModelFile& file, std::uint64_t vocabulary) {
  const auto tensors = file.tensors();
  const auto embedding = std::find_if(tensors.begin(), tensors.end(),
                                      [](const auto& tensor) { return tensor.name == "token_embd.weight"; });
  if (embedding == tensors.end() || embedding->dims.empty()) return {};
  const std::uint64_t rows = embedding->dims.front();
  const bool fits = file.format() == Format::kGguf ? vocabulary == rows : vocabulary <= rows;
  if (fits) return {};
  return make_error(
      ErrorCode::kBadModel,
      fmt::format("{}: tensor token_embd.weight: expected {}{} rows, one for each token of the vocabulary, "
                  "found {}",
                  file.path().native(), file.format() == Format::kGguf ? "" : "at least ", vocabulary, rows));
}

Result<TokenId> checked_id(const ModelFile& file, std::string_view key, std::uint64_t id) {
  if (id < kMaxVocabulary) return static_cast<TokenId>(id);
  return make_error(ErrorCode::kBadModel, fmt::format("{}: {}: expected a token id below {}, found {}",
                                                      file.path().native(), key, kMaxVocabulary, id));
}

Result<std::optional<TokenId>> config_id(const ModelFile& file, std::string_view key) {
  auto id = file.metadata().optional_u64(key);
  if (!id) return id.error();
  if (!*id) return std::optional<TokenId>();
  auto checked = checked_id(file, key, **id);
  if (!checked) return checked.error();
  return std::optional<TokenId>(*checked);
}

Result<std::vector<TokenId>> config_ids(const ModelFile& file, std::string_view key) {
  std::vector<TokenId> ids;
  if (file.metadata().find(key) == nullptr) return ids;
  auto list = file.metadata().integers(key);
  if (!list) return list.error();
  for (const std::int64_t id : *list) {
    auto checked = checked_id(file, key, static_cast<std::uint64_t>(id));
    if (!checked) return checked.error();
    ids.push_back(*checked);
  }
  return ids;
}

Result<std::unique_ptr<Tokenizer>> load_unchecked(const ModelFile& file) {
  if (file.format() == Format::kGguf) {
    return load_gguf_tokenizer(file.metadata(), file.path().native());
  }
  auto bos = config_id(file, "tokenizer.ggml.bos_token_id");
  if (!bos) return bos.error();
  auto eos = config_id(file, "tokenizer.ggml.eos_token_id");
  if (!eos) return eos.error();
  auto ends = config_ids(file, "tokenizer.ggml.eos_token_ids");
  if (!ends) return ends.error();
  return load_hugging_face_tokenizer(file.directory(), {.bos = *bos, .eos = *eos, .ends = std::move(*ends)});
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> load_tokenizer(const ModelFile& file) {
  auto tokenizer = load_unchecked(file);
  if (!tokenizer) return tokenizer;
  if (auto ok = check_embedding_rows(file, (*tokenizer)->vocab_size()); !ok) return ok.error();
  return tokenizer;
}

}  // namespace llorch::tokenizer
