#include "chat/choose_template.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "base/json.hpp"
#include "base/text.hpp"
#include "chat/built_in_templates.hpp"
#include "chat/unicode.hpp"

namespace llorch::chat {
namespace {

namespace fs = std::filesystem;

struct Found {
  std::string source, origin;
  std::vector<std::string> stops;
  bool guessed = false;
};

Result<std::string> read_file(const fs::path& path, std::size_t max_bytes) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return make_error(ErrorCode::kIo, fmt::format("{}: cannot be read", path.string()));
  std::string text;
  text.resize(max_bytes + 1);
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (in.bad() || text.size() > max_bytes) {
    return make_error(ErrorCode::kBadModel, fmt::format("{}: expected at most {} bytes", path.string(), max_bytes));
  }
  return text;
}

Found built_in(const BuiltInTemplate& from, std::string_view why) {
  Found found{std::string(from.source), fmt::format("built-in template {} ({})", from.name, why), {}};
  if (!from.stop.empty()) found.stops.emplace_back(from.stop);
  return found;
}

Result<Found> from_option(const std::string& option) {
  if (const BuiltInTemplate* named = find_built_in(option)) return built_in(*named, "by name");
  std::error_code ignored;
  if (!fs::is_regular_file(option, ignored)) {
    return make_error(ErrorCode::kInvalidArgument,
                      fmt::format("chat template: expected the name of a built-in one ({}) or a file, found {}",
                                  built_in_names(), quote(option)));
  }
  Result<std::string> text = read_file(option, RenderLimits::kMaxSource);
  if (text.has_error()) return text.error();
  if (leading_space(*text) == text->size()) {
    return make_error(ErrorCode::kInvalidArgument,
                      fmt::format("{}: expected a chat template, found nothing but white space", option));
  }
  return Found{std::move(*text), option, {}};
}

// tokenizer_config.json has a template, or a list of {"name", "template"}, of which "default" is the one for chats.
Result<std::optional<Found>> from_tokenizer_config(const fs::path& path) {
  constexpr std::size_t kMaxBytes = std::size_t{64} << 20;  // vocabularies with many added tokens are large
  Result<std::string> text = read_file(path, kMaxBytes);
  if (text.has_error()) return text.error();
  JsonLimits limits;
  limits.wide_integers = true;  // model_max_length
  const Result<boost::json::value> document = parse_json(*text, limits);
  if (document.has_error()) {
    return make_error(ErrorCode::kBadModel, fmt::format("{}: {}", path.string(), document.error().message));
  }
  const auto* object = document->if_object();
  const auto* entry = object == nullptr ? nullptr : object->if_contains("chat_template");
  if (entry == nullptr || entry->is_null()) return std::optional<Found>();
  const auto found = [&](const boost::json::string& source) {
    return std::optional(Found{std::string(source), path.string() + ": chat_template", {}});
  };
  if (entry->is_string()) return found(entry->get_string());
  if (const auto* list = entry->if_array()) {
    for (const boost::json::value& item : *list) {
      const auto* named = item.if_object();
      const auto* name = named == nullptr ? nullptr : named->if_contains("name");
      const auto* source = named == nullptr ? nullptr : named->if_contains("template");
      if (name != nullptr && source != nullptr && source->is_string() && *name == "default") {
        return found(source->get_string());
      }
    }
  }
  return make_error(ErrorCode::kBadModel,
                    fmt::format("{}: chat_template: expected a string, or a list of objects with name and template of "
                                "which one is named default",
                                path.string()));
}

Result<std::optional<Found>> from_model(const model_file::ModelFile& file) {
  if (file.format() == model_file::Format::kGguf) {
    const auto source = file.metadata().optional_string("tokenizer.chat_template");
    if (!source) return source.error();
    if (!*source || (*source)->empty()) return std::optional<Found>();
    return std::optional(Found{std::string(**source), file.path().string() + ": tokenizer.chat_template", {}});
  }
  std::error_code ignored;
  const fs::path own_file = file.directory() / "chat_template.jinja";
  if (fs::exists(own_file, ignored)) {
    Result<std::string> text = read_file(own_file, RenderLimits::kMaxSource);
    if (text.has_error()) return text.error();
    return std::optional(Found{std::move(*text), own_file.string(), {}});
  }
  const fs::path config = file.directory() / "tokenizer_config.json";
  if (!fs::exists(config, ignored)) return std::optional<Found>();
  return from_tokenizer_config(config);
}

Found from_vocabulary(const tokenizer::Tokenizer& tokenizer) {
  for (const BuiltInTemplate& one : built_in_templates()) {
    const bool has_all = !one.tokens.empty() && std::all_of(one.tokens.begin(), one.tokens.end(), [&](auto token) {
      return tokenizer.find(token).has_value();
    });
    if (has_all) return built_in(one, "the model has no template, and its vocabulary has the tokens of this one");
  }
  Found found = built_in(*find_built_in(kPlainTemplate), "the model has no template");
  found.guessed = true;
  return found;
}

}  // namespace

Result<std::shared_ptr<const ChatTemplate>> choose_template(const model_file::ModelFile& file,
                                                            const tokenizer::Tokenizer& tokenizer,
                                                            const std::string& option) {
  Found found;
  if (!option.empty()) {
    Result<Found> given = from_option(option);
    if (given.has_error()) return given.error();
    found = std::move(*given);
  } else {
    Result<std::optional<Found>> own = from_model(file);
    if (own.has_error()) return own.error();
    found = *own ? *std::move(*own) : from_vocabulary(tokenizer);
  }
  TemplateFacts facts;
  facts.origin = std::move(found.origin);
  facts.stops = std::move(found.stops);
  facts.guessed = found.guessed;
  if (tokenizer.bos()) facts.bos = tokenizer.token_bytes(*tokenizer.bos());
  if (tokenizer.eos()) facts.eos = tokenizer.token_bytes(*tokenizer.eos());
  Result<ChatTemplate> created = ChatTemplate::create(std::move(found.source), std::move(facts));
  if (created.has_error()) return created.error();
  return std::make_shared<const ChatTemplate>(std::move(*created));
}

}  // namespace llorch::chat
