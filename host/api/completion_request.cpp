#include "api/completion_request.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "api/fields.hpp"
#include "base/json.hpp"

namespace llorch::api {
namespace {

constexpr std::uint64_t kMaxChoicesPerPrompt = 16;
constexpr std::uint64_t kMaxLogprobs = 20;
constexpr std::size_t kMaxStops = 16;
constexpr std::size_t kMaxStopBytes = 256;
constexpr double kMaxBias = 100;

// Known to OpenAI or to other servers, without effect here: refused rather than silently dropped.
constexpr std::array<std::string_view, 18> kUnsupported = {
    "suffix",     "best_of",        "response_format", "tools",           "tool_choice",   "functions",
    "grammar",    "json_schema",    "guided_json",     "guided_regex",    "guided_choice", "guided_grammar",
    "min_tokens", "stop_token_ids", "prompt_logprobs", "use_beam_search", "typical_p",     "mirostat"};

// null, false, 0, "", [] and {} ask for nothing.
bool is_neutral(const boost::json::value& value) {
  switch (value.kind()) {
    case boost::json::kind::null:
      return true;
    case boost::json::kind::bool_:
      return !value.get_bool();
    case boost::json::kind::int64:
      return value.get_int64() == 0;
    case boost::json::kind::uint64:
      return value.get_uint64() == 0;
    case boost::json::kind::double_:
      return value.get_double() == 0;
    case boost::json::kind::string:
      return value.get_string().empty();
    case boost::json::kind::array:
      return value.get_array().empty();
    case boost::json::kind::object:
      return value.get_object().empty();
  }
  return false;
}

void refuse_unsupported(Fields& fields, std::uint32_t n) {
  for (const std::string_view name : kUnsupported) {
    const boost::json::value* value = fields.find(name);
    if (value == nullptr || is_neutral(*value)) continue;
    if (name == "best_of" && as_unsigned(*value) == n) continue;  // the best n of n are all of them
    if (name == "typical_p" && as_unsigned(*value) == 1) continue;
    fields.add(std::string(name), "unsupported", fmt::format("{} is not supported by this server", name), *value);
  }
}

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

void read_logit_bias(Fields& fields, std::uint32_t vocab_size, sampling::Params& sampling) {
  const boost::json::value* value = fields.find("logit_bias");
  if (value == nullptr) return;
  if (!value->is_object()) {
    fields.add("logit_bias", "object",
               "logit_bias must be an object of token ids and numbers, found " + kind_name(*value), *value);
    return;
  }
  for (const auto& [key, bias] : value->get_object()) {
    std::uint32_t id = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size() || id >= vocab_size) {
      fields.add("logit_bias", fmt::format("keys range(0..={})", vocab_size - 1),
                 fmt::format("keys of logit_bias must be token ids from 0 to {}", vocab_size - 1),
                 boost::json::string(key));
      return;
    }
    const double amount = bias.is_number() ? bias.to_number<double>() : std::numeric_limits<double>::infinity();
    if (!(amount >= -kMaxBias && amount <= kMaxBias)) {
      fields.add(fmt::format("logit_bias[\"{}\"]", id), "range(-100..=100)",
                 fmt::format("logit_bias of token {} must be a number from -100 to 100", id), bias);
      return;
    }
    sampling.logit_bias.emplace_back(static_cast<std::int32_t>(id), static_cast<float>(amount));
  }
}

void read_sampling(Fields& fields, CompletionRequest& request) {
  sampling::Params& sampling = request.sampling;
  const auto number = [&](std::string_view name, double low, double high, float otherwise) {
    const auto given = fields.number(name, low, high);
    return given ? static_cast<float>(*given) : otherwise;
  };
  sampling.temperature = number("temperature", 0, 2, 1.0F);
  sampling.top_p = number("top_p", 0, 1, 1.0F);
  sampling.top_k =
      static_cast<std::uint32_t>(fields.integer("top_k", 0, std::numeric_limits<std::uint32_t>::max()).value_or(0));
  sampling.min_p = number("min_p", 0, 1, 0.0F);
  sampling.repetition_penalty = number("repetition_penalty", 0, 2, 1.0F);
  sampling.presence_penalty = number("presence_penalty", -2, 2, 0.0F);
  sampling.frequency_penalty = number("frequency_penalty", -2, 2, 0.0F);
  if (const auto seed = fields.integer("seed", 0, std::numeric_limits<std::uint64_t>::max())) {
    sampling.seed = *seed;
    request.has_seed = true;
  }
}

void read_stream_options(Fields& fields, std::vector<Fault>& faults, CompletionRequest& request) {
  const boost::json::value* value = fields.find("stream_options");
  if (value == nullptr) return;
  if (!value->is_object()) {
    fields.add("stream_options", "object", "stream_options must be an object, found " + kind_name(*value), *value);
    return;
  }
  Fields inner(value->get_object(), NullMeans::kAbsent, faults);
  request.include_usage = inner.boolean("include_usage").value_or(false);
}

void read_limits(Fields& fields, const CompletionLimits& limits, CompletionRequest& request) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
  const auto max_tokens = fields.integer("max_tokens", 0, kMost);
  const auto newer_name = fields.integer("max_completion_tokens", 0, kMost);
  request.max_tokens = static_cast<std::uint32_t>(newer_name.value_or(max_tokens.value_or(request.max_tokens)));
  if (request.max_tokens == 0 && !request.echo) {
    fields.add("max_tokens", fmt::format("range(1..={})", kMost), "max_tokens must be at least 1 unless echo is set",
               0);
  }
  request.n = static_cast<std::uint32_t>(fields.integer("n", 1, kMaxChoicesPerPrompt).value_or(1));
  if (request.prompts.size() * request.n > limits.max_choices) {
    fields.add("prompt", fmt::format("choices(1..={})", limits.max_choices),
               fmt::format("prompts times n must not exceed {} (what can be queued), found {}", limits.max_choices,
                           request.prompts.size() * request.n),
               request.prompts.size() * request.n);
  }
  if (const auto count = fields.integer("logprobs", 0, kMaxLogprobs)) {
    request.logprobs = static_cast<std::uint32_t>(*count);
  }
}

}  // namespace

Parsed<CompletionRequest> parse_completion_request(std::string_view body, const CompletionLimits& limits) {
  Parsed<CompletionRequest> parsed;
  const Result<boost::json::value> document = parse_json(body);
  if (document.has_error()) {
    parsed.faults.push_back({"", "json", "the body must be JSON: " + document.error().message, nullptr});
    return parsed;
  }
  if (!document->is_object()) {
    parsed.faults.push_back({"", "object", "the body must be a JSON object, found " + kind_name(*document), nullptr});
    return parsed;
  }
  Fields fields(document->get_object(), NullMeans::kAbsent, parsed.faults);
  CompletionRequest& request = parsed.request;
  request.model = fields.string("model").value_or("");
  read_prompts(fields, limits.vocab_size, request.prompts);
  request.echo = fields.boolean("echo").value_or(false);
  request.stream = fields.boolean("stream").value_or(false);
  request.ignore_eos = fields.boolean("ignore_eos").value_or(false);
  read_limits(fields, limits, request);
  read_stream_options(fields, parsed.faults, request);
  read_sampling(fields, request);
  read_logit_bias(fields, limits.vocab_size, request.sampling);
  request.stop = fields.strings("stop", kMaxStops, kMaxStopBytes, /*lone_string_allowed=*/true);
  refuse_unsupported(fields, request.n);
  static_cast<void>(fields.string("user"));  // accepted for compatibility, not used
  parsed.ignored = fields.unknown();
  return parsed;
}

}  // namespace llorch::api
