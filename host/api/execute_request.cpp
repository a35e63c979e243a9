#include "api/execute_request.hpp"

#include <spdlog/fmt/fmt.h>

#include <limits>

#include "api/fields.hpp"
#include "base/json.hpp"
#include "base/text.hpp"

namespace llorch::api {
namespace {

constexpr std::size_t kMaxPromptCharacters = 32768;
constexpr std::uint64_t kMaxTokens = 2048;
constexpr std::size_t kMaxStops = 4;
constexpr std::size_t kMaxStopBytes = 100;

void read_job_id(Fields& fields, std::string& job_id) {
  fields.require("job_id");
  const auto text = fields.string("job_id");
  if (!text) return;
  if (text->empty()) fields.add("job_id", "not_empty", "job_id must not be empty", "");
  job_id = *text;
}

// The one field whose content is never repeated, neither in messages nor in `value`.
void read_prompt(Fields& fields, std::string& prompt) {
  fields.require("prompt");
  const boost::json::value* value = fields.find("prompt");
  if (value == nullptr) return;
  if (!value->is_string()) {
    const std::string kind = kind_name(*value);
    fields.add("prompt", "string", "prompt must be of type string, found " + kind, boost::json::string(kind));
    return;
  }
  prompt = std::string(value->get_string());
  const std::size_t characters = count_code_points(prompt);
  if (characters < 1 || characters > kMaxPromptCharacters) {
    fields.add("prompt", fmt::format("characters(1..={})", kMaxPromptCharacters),
               fmt::format("prompt must have 1 to {} characters, found {}", kMaxPromptCharacters, characters),
               characters);
  }
}

// Parses the body to an object, or adds the one fault that says why it is none.
template <class T, class Read>
Parsed<T> parse(std::string_view body, const Read& read) {
  Parsed<T> parsed;
  const Result<boost::json::value> document = parse_json(body);
  if (document.has_error()) {
    parsed.faults.push_back({"", "json", "the body must be JSON: " + document.error().message, nullptr});
    return parsed;
  }
  if (!document->is_object()) {
    const std::string kind = kind_name(*document);
    parsed.faults.push_back({"", "object", "the body must be a JSON object, found " + kind, boost::json::string(kind)});
    return parsed;
  }
  Fields fields(document->get_object(), NullMeans::kWrongType, parsed.faults);
  read(fields, parsed.request);
  parsed.ignored = fields.unknown();
  return parsed;
}

void read_execute(Fields& fields, ExecuteRequest& request) {
  read_job_id(fields, request.job_id);
  read_prompt(fields, request.prompt);
  fields.require("max_tokens");
  request.max_tokens = static_cast<std::uint32_t>(fields.integer("max_tokens", 1, kMaxTokens).value_or(0));

  sampling::Params& sampling = request.sampling;
  const auto number = [&](std::string_view name, double high, float otherwise) {
    const auto given = fields.number(name, 0, high);
    return given ? static_cast<float>(*given) : otherwise;
  };
  sampling.temperature = number("temperature", 2, 1.0F);
  sampling.top_p = number("top_p", 1, 1.0F);
  sampling.top_k =
      static_cast<std::uint32_t>(fields.integer("top_k", 0, std::numeric_limits<std::uint32_t>::max()).value_or(0));
  sampling.min_p = number("min_p", 1, 0.0F);
  sampling.repetition_penalty = number("repetition_penalty", 2, 1.0F);
  sampling.seed = fields.integer("seed", 0, std::numeric_limits<std::uint64_t>::max()).value_or(42);
  request.stop = fields.strings("stop", kMaxStops, kMaxStopBytes, /*lone_string_allowed=*/false);
}

}  // namespace

Parsed<ExecuteRequest> parse_execute_request(std::string_view body) {
  return parse<ExecuteRequest>(body, read_execute);
}

Parsed<CancelRequest> parse_cancel_request(std::string_view body) {
  return parse<CancelRequest>(body,
                              [](Fields& fields, CancelRequest& request) { read_job_id(fields, request.job_id); });
}

}  // namespace llorch::api
