#include "api/completion_request.hpp"

#include <spdlog/fmt/fmt.h>

#include <limits>
#include <utility>

#include "api/fields.hpp"
#include "api/generation_options.hpp"

namespace llorch::api {
namespace {

std::optional<std::int32_t> token_id(const boost::json::value& value, std::uint32_t vocab_size) {
  const auto id = as_unsigned(value);
  if (!id || *id >= vocab_size) return std::nullopt;
  return static_cast<std::int32_t>(*id);
}

// Ids of one prompt. Stops at the first bad one: a list of a million faults helps nobody.
std::optional<std::vector<std::int32_t>> read_ids(Fields& fields, const std::string& where,
                                                  const boost::json::array& items, std::uint32_t vocab_size) {
  std::vector<std::int32_t> ids;
  ids.reserve(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto id = token_id(items[i], vocab_size);
    if (!id) {
      const bool whole = items[i].is_number();
      fields.add(fmt::format("{}[{}]", where, i), fmt::format("range(0..={})", vocab_size - 1),
                 fmt::format("{}[{}] must be a token id from 0 to {}", where, i, vocab_size - 1),
                 whole ? items[i] : boost::json::value(boost::json::string(kind_name(items[i]))));
      return std::nullopt;
    }
    ids.push_back(*id);
  }
  if (ids.empty()) {
    fields.add(where, "not_empty", where + " must hold at least one token id", 0);
    return std::nullopt;
  }
  return ids;
}

void read_prompts(Fields& fields, std::uint32_t vocab_size, std::vector<Prompt>& prompts) {
  fields.require("prompt");
  const boost::json::value* value = fields.find("prompt");
  if (value == nullptr) return;
  if (value->is_string()) {
    prompts.emplace_back(std::string(value->get_string()));
    return;
  }
  const auto wrong = [&](const std::string& where, const boost::json::value& found) {
    const std::string kind = kind_name(found);
    fields.add(where, "string, array of strings, array of token ids or array of arrays of token ids",
               where + " must be text or token ids throughout, found " + kind, boost::json::string(kind));
  };
  if (!value->is_array()) return wrong("prompt", *value);
  const boost::json::array& items = value->get_array();
  if (items.empty()) {
    fields.add("prompt", "not_empty", "prompt must not be an empty array", 0);
    return;
  }
  if (items[0].is_number()) {
    if (auto ids = read_ids(fields, "prompt", items, vocab_size)) prompts.emplace_back(std::move(*ids));
    return;
  }
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::string where = fmt::format("prompt[{}]", i);
    if (items[i].is_string() && items[0].is_string()) {
      prompts.emplace_back(std::string(items[i].get_string()));
    } else if (items[i].is_array() && items[0].is_array()) {
      auto ids = read_ids(fields, where, items[i].get_array(), vocab_size);
      if (!ids) return;
      prompts.emplace_back(std::move(*ids));
    } else {
      return wrong(where, items[i]);
    }
  }
}

}  // namespace

Parsed<CompletionRequest> parse_completion_request(std::string_view body, const CompletionLimits& limits) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
  Parsed<CompletionRequest> parsed;
  const std::optional<boost::json::value> document = parse_body(body, parsed.faults);
  if (!document) return parsed;
  Fields fields(document->get_object(), NullMeans::kAbsent, parsed.faults);
  CompletionRequest& request = parsed.request;
  request.max_tokens = 16;
  read_prompts(fields, limits.vocab_size, request.prompts);
  request.echo = fields.boolean("echo").value_or(false);
  read_generation(fields, limits.vocab_size, 0, request);
  if (request.max_tokens == 0 && !request.echo) {
    fields.add("max_tokens", fmt::format("range(1..={})", kMost), "max_tokens must be at least 1 unless echo is set",
               0);
  }
  if (request.prompts.size() * request.n > limits.max_choices) {
    fields.add("prompt", fmt::format("choices(1..={})", limits.max_choices),
               fmt::format("prompts times n must not exceed {} (what can be queued), found {}", limits.max_choices,
                           request.prompts.size() * request.n),
               request.prompts.size() * request.n);
  }
  if (const auto count = fields.integer("logprobs", 0, kMaxAlternatives)) {
    request.logprobs = static_cast<std::uint32_t>(*count);
  }
  constexpr OtherField kThere[] = {{"messages", "this route has prompt"},
                                   {"top_logprobs", "this route has logprobs"},
                                   {"add_generation_prompt", "this route takes prompts as they are"}};
  refuse_fields_of("/v1/chat/completions", kThere, fields);
  read_add_special_tokens(fields, true);
  parsed.ignored = fields.unknown();
  return parsed;
}

}  // namespace llorch::api
