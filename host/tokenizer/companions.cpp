#include "tokenizer/companions.hpp"

#include <spdlog/fmt/fmt.h>

#include <boost/json/value.hpp>
#include <charconv>

#include "base/json.hpp"
#include "base/text.hpp"
#include "model_file/file.hpp"
#include "tokenizer/bpe_parts_json.hpp"
#include "tokenizer/json_fields.hpp"

namespace llorch::tokenizer {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

constexpr std::uint64_t kMaxCompanionBytes = 16u << 20;

// The document, or null when there is no such file.
Result<json::value> read_document(const fs::path& path) {
  auto text = model_file::read_text_file(path, kMaxCompanionBytes);
  if (!text) {
    if (text.error().code == ErrorCode::kNotFound) return json::value(nullptr);
    return text.error();
  }
  JsonLimits limits;
  limits.wide_integers = true;  // model_max_length
  auto document = parse_json(*text, limits);
  if (!document) {
    return make_error(ErrorCode::kBadModel, fmt::format("{}: {}", path.native(), document.error().message));
  }
  if (!document->is_object()) {
    return make_error(ErrorCode::kBadModel,
                      fmt::format("{}: expected an object at the root, found {}", path.native(), describe(*document)));
  }
  return document;
}

// A special token: "<s>" or {"content": "<s>", "lstrip": ...}.
Result<NamedToken> named_token(const JsonFields& fields, std::string_view key, const json::value& value) {
  NamedToken named;
  named.field = fmt::format("{}: {}", fields.origin(), fields.place(key));
  if (const auto* content = value.if_string()) {
    named.token.content = std::string_view(*content);
  } else if (const auto* object = value.if_object()) {
    auto token = read_added_token_flags(JsonFields(*object, fields.origin(), fields.place(key)), {});
    if (!token) return token.error();
    named.token = std::move(*token);
    named.token.normalized = false;
  } else {
    return fields.error(key, "a string or an object with a content", describe(value));
  }
  named.token.special = true;
  return named;
}

// The named tokens of tokenizer_config.json or special_tokens_map.json; what is known already stays.
Result<void> read_named_tokens(const JsonFields& fields, Companions& out) {
  const auto store = [&](std::string_view key, std::optional<NamedToken>& into) -> Result<void> {
    const json::value* value = fields.find(key);
    if (value == nullptr || into) return {};
    auto named = named_token(fields, key, *value);
    if (!named) return named.error();
    into = std::move(*named);
    return {};
  };
  if (auto ok = store("bos_token", out.bos); !ok) return ok;
  if (auto ok = store("eos_token", out.eos); !ok) return ok;
  if (auto ok = store("eot_token", out.eot); !ok) return ok;
  for (const std::string_view key : {"unk_token", "pad_token", "sep_token", "cls_token", "mask_token"}) {
    std::optional<NamedToken> named;
    if (auto ok = store(key, named); !ok) return ok;
    if (named) out.others.push_back(std::move(*named));
  }
  auto additional = fields.array("additional_special_tokens");
  if (!additional) return additional.error();
  if (*additional == nullptr) return {};
  for (std::size_t i = 0; i < (*additional)->size(); ++i) {
    auto named = named_token(fields, fmt::format("additional_special_tokens[{}]", i), (**additional)[i]);
    if (!named) return named.error();
    out.others.push_back(std::move(*named));
  }
  return {};
}

// {"50256": {"content": ...}, ...}
Result<void> read_added_tokens_decoder(const JsonFields& fields, Companions& out) {
  auto decoder = fields.object("added_tokens_decoder");
  if (!decoder) return decoder.error();
  if (*decoder == nullptr) return {};
  for (const auto& member : **decoder) {
    const std::string_view key = member.key();
    const std::string place = fmt::format("added_tokens_decoder[{}]", quote(key, 40));
    AddedToken token;
    const auto [end, status] = std::from_chars(key.data(), key.data() + key.size(), token.id);
    if (status != std::errc() || end != key.data() + key.size() || token.id < 0) {
      return fields.error(place, "a token id as the key", quote(key, 40));
    }
    if (!member.value().is_object()) return fields.error(place, "an object", describe(member.value()));
    auto read =
        read_added_token_flags(JsonFields(member.value().get_object(), fields.origin(), place), std::move(token));
    if (!read) return read.error();
    out.added.push_back(std::move(*read));
  }
  return {};
}

Result<void> read_tokenizer_config(const fs::path& path, Companions& out) {
  auto document = read_document(path);
  if (!document) return document.error();
  if (document->is_null()) return {};
  const std::string& origin = path.native();
  const JsonFields fields(document->get_object(), origin);
  if (auto ok = read_named_tokens(fields, out); !ok) return ok;
  if (auto ok = read_added_tokens_decoder(fields, out); !ok) return ok;
  auto tokenizer_class = fields.string("tokenizer_class");
  if (!tokenizer_class) return tokenizer_class.error();
  out.tokenizer_class = tokenizer_class->value_or("");
  const auto flag = [&](std::string_view key, std::optional<bool>& into) -> Result<void> {
    if (fields.find(key) == nullptr) return {};
    auto value = fields.boolean(key, false);
    if (!value) return value.error();
    into = *value;
    return {};
  };
  if (auto ok = flag("add_bos_token", out.add_bos); !ok) return ok;
  if (auto ok = flag("add_eos_token", out.add_eos); !ok) return ok;
  if (auto ok = flag("legacy", out.legacy); !ok) return ok;
  return flag("add_prefix_space", out.add_prefix_space);
}

Result<void> read_special_tokens_map(const fs::path& path, Companions& out) {
  auto document = read_document(path);
  if (!document) return document.error();
  if (document->is_null()) return {};
  const std::string& origin = path.native();
  return read_named_tokens(JsonFields(document->get_object(), origin), out);
}

// {"<extra>": 50257, ...}: the oldest form, without flags.
Result<void> read_added_tokens(const fs::path& path, Companions& out) {
  auto document = read_document(path);
  if (!document) return document.error();
  if (document->is_null()) return {};
  for (const auto& member : document->get_object()) {
    const std::string_view content = member.key();
    const auto id = as_token_id(member.value());
    if (!id) {
      return make_error(ErrorCode::kBadModel, fmt::format("{}: {}: expected a token id, found {}", path.native(),
                                                          quote(content, 40), describe(member.value())));
    }
    out.added.push_back({.content = std::string(content), .id = *id});
  }
  return {};
}

Result<void> read_generation_config(const fs::path& path, Companions& out) {
  auto document = read_document(path);
  if (!document) return document.error();
  if (document->is_null()) return {};
  const std::string& origin = path.native();
  const JsonFields fields(document->get_object(), origin);
  auto bos = fields.token_id("bos_token_id");
  if (!bos) return bos.error();
  out.generation_bos = *bos;
  const json::value* ends = fields.find("eos_token_id");
  if (ends == nullptr) return {};
  const auto push = [&](const json::value& value) -> Result<void> {
    const auto id = as_token_id(value);
    if (!id) return fields.error("eos_token_id", "a token id or a list of them", describe(value));
    out.generation_ends.push_back(*id);
    return {};
  };
  if (!ends->is_array()) return push(*ends);
  for (const json::value& value : ends->get_array()) {
    if (auto ok = push(value); !ok) return ok;
  }
  return {};
}

}  // namespace

Result<Companions> read_companions(const fs::path& directory) {
  Companions out;
  if (auto ok = read_tokenizer_config(directory / "tokenizer_config.json", out); !ok) return ok.error();
  if (auto ok = read_special_tokens_map(directory / "special_tokens_map.json", out); !ok) return ok.error();
  if (auto ok = read_added_tokens(directory / "added_tokens.json", out); !ok) return ok.error();
  if (auto ok = read_generation_config(directory / "generation_config.json", out); !ok) return ok.error();
  return out;
}

}  // namespace llorch::tokenizer
