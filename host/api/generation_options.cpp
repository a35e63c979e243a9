#include "api/generation_options.hpp"

#include <spdlog/fmt/fmt.h>

#include <array>
#include <charconv>
#include <limits>

#include "base/json.hpp"

namespace llorch::api {
namespace {

constexpr std::uint64_t kMaxChoicesPerPrompt = 16;
constexpr std::size_t kMaxStops = 16;
constexpr std::size_t kMaxStopBytes = 256;
constexpr double kMaxBias = 100;

// Known to OpenAI or to other servers, without effect here: refused rather than silently dropped.
constexpr std::array<std::string_view, 37> kUnsupported = {"suffix",
                                                           "best_of",
                                                           "response_format",
                                                           "tools",
                                                           "tool_choice",
                                                           "functions",
                                                           "function_call",
                                                           "audio",
                                                           "documents",
                                                           "chat_template",
                                                           "chat_template_kwargs",
                                                           "continue_final_message",
                                                           "grammar",
                                                           "json_schema",
                                                           "guided_json",
                                                           "guided_regex",
                                                           "guided_choice",
                                                           "guided_grammar",
                                                           "min_tokens",
                                                           "stop_token_ids",
                                                           "prompt_logprobs",
                                                           "use_beam_search",
                                                           "typical_p",
                                                           "mirostat",
                                                           "structured_outputs",
                                                           "bad_words",
                                                           "allowed_token_ids",
                                                           "repeat_penalty",
                                                           "include_stop_str_in_output",
                                                           "truncate_prompt_tokens",
                                                           "dry_multiplier",
                                                           "xtc_probability",
                                                           "length_penalty",
                                                           "modalities",
                                                           "prediction",
                                                           "web_search_options",
                                                           "skip_special_tokens"};

// Values that ask for what happens anyway.
bool asks_for_nothing(std::string_view name, const boost::json::value& value, std::uint32_t n) {
  if (name == "skip_special_tokens") return value.is_null() || value == boost::json::value(true);
  if (is_neutral(value)) return true;
  if (name == "modalities") return value == boost::json::value(boost::json::array{"text"});
  if (name == "repeat_penalty" || name == "length_penalty")
    return as_unsigned(value) == 1 || value == boost::json::value(1.0);
  if (name == "best_of") return as_unsigned(value) == n;  // the best n of n are all of them
  if (name == "typical_p") return as_unsigned(value) == 1;
  if (name == "response_format") return value == boost::json::value({{"type", "text"}});
  return (name == "tool_choice" || name == "function_call") && (value == "none" || value == "auto");  // without tools
}

void refuse_unsupported(Fields& fields, std::uint32_t n) {
  for (const std::string_view name : kUnsupported) {
    const boost::json::value* value = fields.find(name);
    if (value == nullptr || asks_for_nothing(name, *value, n)) continue;
    fields.add(std::string(name), "unsupported", fmt::format("{} is not supported by this server", name), *value);
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

void read_sampling(Fields& fields, GenerationOptions& options) {
  sampling::Params& sampling = options.sampling;
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
    options.has_seed = true;
  }
}

void read_stream_options(Fields& fields, GenerationOptions& options) {
  const boost::json::value* value = fields.find("stream_options");
  if (value == nullptr) return;
  if (!value->is_object()) {
    fields.add("stream_options", "object", "stream_options must be an object, found " + kind_name(*value), *value);
    return;
  }
  Fields inner = fields.nested(value->get_object());
  options.include_usage = inner.boolean("include_usage").value_or(false);
}

}  // namespace

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

std::optional<boost::json::value> parse_body(std::string_view body, std::vector<Fault>& faults) {
  Result<boost::json::value> document = parse_json(body);
  if (document.has_error()) {
    faults.push_back({"", "json", "the body must be JSON: " + document.error().message, nullptr});
    return std::nullopt;
  }
  if (!document->is_object()) {
    faults.push_back({"", "object", "the body must be a JSON object, found " + kind_name(*document), nullptr});
    return std::nullopt;
  }
  return std::move(*document);
}

void read_generation(Fields& fields, std::uint32_t vocab_size, std::uint32_t fewest_tokens,
                     GenerationOptions& options) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
  options.model = fields.string("model").value_or("");
  options.stream = fields.boolean("stream").value_or(false);
  options.ignore_eos = fields.boolean("ignore_eos").value_or(false);
  const auto max_tokens = fields.integer("max_tokens", fewest_tokens, kMost);
  const auto newer_name = fields.integer("max_completion_tokens", fewest_tokens, kMost);
  options.max_tokens = static_cast<std::uint32_t>(newer_name.value_or(max_tokens.value_or(options.max_tokens)));
  options.n = static_cast<std::uint32_t>(fields.integer("n", 1, kMaxChoicesPerPrompt).value_or(1));
  read_stream_options(fields, options);
  read_sampling(fields, options);
  read_logit_bias(fields, vocab_size, options.sampling);
  options.stop = fields.strings("stop", kMaxStops, kMaxStopBytes, /*lone_string_allowed=*/true);
  refuse_unsupported(fields, options.n);
  static_cast<void>(fields.string("user"));  // accepted for compatibility, not used
}

void refuse_fields_of(std::string_view other_route, std::span<const OtherField> there, Fields& fields) {
  for (const auto& [name, instead] : there) {
    const boost::json::value* value = fields.find(name);
    if (value == nullptr || is_neutral(*value)) continue;
    fields.add(std::string(name), "unsupported", fmt::format("{} belongs to {}; {}", name, other_route, instead),
               boost::json::string(kind_name(*value)));
  }
}

void read_add_special_tokens(Fields& fields, bool what_happens) {
  constexpr const char* kName = "add_special_tokens";
  const std::optional<bool> wanted = fields.boolean(kName);
  if (!wanted || *wanted == what_happens) return;
  fields.add(
      kName, "unsupported",
      fmt::format("{} must be {} on this route: the model's tokenizer says what stands around a prompt; a prompt of "
                  "token ids has nothing added",
                  kName, what_happens),
      *wanted);
}

}  // namespace llorch::api
