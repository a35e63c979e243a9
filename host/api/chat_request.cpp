#include "api/chat_request.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "api/fields.hpp"

namespace llorch::api {
namespace {

constexpr std::array<std::string_view, 4> kRoles = {"system", "developer", "user", "assistant"};
constexpr std::string_view kRoleNames = "system, developer, user or assistant";

// One fault at a place; the value is the kind of what was found, never the text.
void add_kind(Fields& fields, const std::string& where, std::string_view expected, const boost::json::value& found) {
  const std::string kind = kind_name(found);
  fields.add(where, std::string(expected), fmt::format("{} must be {}, found {}", where, expected, kind),
             boost::json::string(kind));
}

void read_role(Fields& fields, const std::string& where, const boost::json::object& object, chat::Message& message) {
  const auto* role = object.if_contains("role");
  if (role == nullptr) {
    fields.add(where + ".role", "required", where + ".role is required", nullptr);
    return;
  }
  if (!role->is_string()) return add_kind(fields, where + ".role", "a string", *role);
  message.role = role->get_string();
  if (std::find(kRoles.begin(), kRoles.end(), message.role) != kRoles.end()) return;
  const bool is_tool = message.role == "tool" || message.role == "function";
  fields.add(where + ".role", is_tool ? "unsupported" : std::string(kRoleNames),
             is_tool ? fmt::format("{}.role: tools are not supported by this server", where)
                     : fmt::format("{}.role must be {}", where, kRoleNames),
             *role);
}

void read_part(Fields& fields, const std::string& where, const boost::json::value& part, chat::Message& message) {
  const auto* object = part.if_object();
  if (object == nullptr) return add_kind(fields, where, "an object with type and text", part);
  const auto* type = object->if_contains("type");
  const auto* text = object->if_contains("text");
  if (type != nullptr && type->is_string() && *type != "text") {
    fields.add(where + ".type", "text", fmt::format("{}.type: only parts of type text are supported", where), *type);
  } else if (type == nullptr || !type->is_string() || text == nullptr || !text->is_string()) {
    fields.add(where, "type and text", where + R"( must be {"type": "text", "text": "..."})",
               boost::json::string(kind_name(part)));
  } else {
    message.parts.emplace_back(text->get_string());
  }
}

void read_content(Fields& fields, const std::string& where, const boost::json::object& object, chat::Message& message) {
  const auto* content = object.if_contains("content");
  if (content == nullptr || content->is_null()) {
    fields.add(where + ".content", "required", where + ".content is required", nullptr);
  } else if (content->is_string()) {
    message.parts.emplace_back(content->get_string());
  } else if (const auto* parts = content->if_array()) {
    if (parts->empty()) fields.add(where + ".content", "not_empty", where + ".content must not be an empty array", 0);
    for (std::size_t i = 0; i < parts->size(); ++i)
      read_part(fields, fmt::format("{}.content[{}]", where, i), (*parts)[i], message);
  } else {
    add_kind(fields, where + ".content", "a string or an array of parts", *content);
  }
}

// Names that no message here has are ignored; those that ask for what this server cannot do are faults.
void read_rest(Fields& fields, const std::string& where, const boost::json::object& object, chat::Message& message,
               std::vector<std::string>& ignored) {
  constexpr std::array<std::string_view, 4> kUnsupported = {"tool_calls", "tool_call_id", "function_call", "audio"};
  for (const auto& member : object) {
    const std::string_view name = member.key();
    if (name == "role" || name == "content") continue;
    if (name == "name") {
      if (member.value().is_string()) {
        message.name = member.value().get_string();
      } else if (!member.value().is_null()) {
        add_kind(fields, where + ".name", "a string", member.value());
      }
    } else if (std::find(kUnsupported.begin(), kUnsupported.end(), name) != kUnsupported.end()) {
      if (is_neutral(member.value())) continue;
      fields.add(fmt::format("{}.{}", where, name), "unsupported",
                 fmt::format("{}.{} is not supported by this server", where, name),
                 boost::json::string(kind_name(member.value())));
    } else if (ignored.size() < kMostIgnored) {
      ignored.push_back(fmt::format("{}.{}", where, clean_name(name)));
    }
  }
}

void read_messages(Fields& fields, std::vector<chat::Message>& messages, std::vector<std::string>& ignored) {
  constexpr std::size_t kMaxFaultyMessages = 16;  // more help nobody
  fields.require("messages");
  const boost::json::value* value = fields.find("messages");
  if (value == nullptr) return;
  const auto* list = value->if_array();
  if (list == nullptr) return add_kind(fields, "messages", "an array of messages", *value);
  if (list->empty()) fields.add("messages", "not_empty", "messages must not be an empty array", 0);
  std::size_t faulty = 0;
  for (std::size_t i = 0; i < list->size() && faulty < kMaxFaultyMessages; ++i) {
    const std::string where = fmt::format("messages[{}]", i);
    const std::size_t before = fields.fault_count();
    chat::Message message;
    if (const auto* object = (*list)[i].if_object()) {
      read_role(fields, where, *object, message);
      read_content(fields, where, *object, message);
      read_rest(fields, where, *object, message, ignored);
    } else {
      add_kind(fields, where, "an object", (*list)[i]);
    }
    if (fields.fault_count() > before) ++faulty;
    messages.push_back(std::move(message));
  }
}

// `logprobs` is a flag here, and `top_logprobs` how many alternatives.
void read_logprobs(Fields& fields, ChatRequest& request) {
  const bool wanted = fields.boolean("logprobs").value_or(false);
  const auto count = fields.integer("top_logprobs", 0, kMaxAlternatives);
  if (wanted) request.logprobs = static_cast<std::uint32_t>(count.value_or(0));
  if (!wanted && count.value_or(0) > 0) {
    fields.add("top_logprobs", "logprobs", "top_logprobs needs logprobs to be true", *count);
  }
}

}  // namespace

Parsed<ChatRequest> parse_chat_request(std::string_view body, const CompletionLimits& limits) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
  Parsed<ChatRequest> parsed;
  const std::optional<boost::json::value> document = parse_body(body, parsed.faults);
  if (!document) return parsed;
  Fields fields(document->get_object(), NullMeans::kAbsent, parsed.faults);
  ChatRequest& request = parsed.request;
  request.max_tokens = kMost;
  std::vector<std::string> ignored;
  read_messages(fields, request.messages, ignored);
  read_logprobs(fields, request);
  constexpr OtherField kThere[] = {{"prompt", "this route has messages"},
                                   {"echo", "an answer here is a message of its own"}};
  refuse_fields_of("/v1/completions", kThere, fields);
  read_add_special_tokens(fields, false);
  read_generation(fields, limits.vocab_size, 1, request);
  request.add_generation_prompt = fields.boolean("add_generation_prompt").value_or(true);
  request.has_max_tokens = request.max_tokens != kMost;
  if (request.n > limits.max_choices) {
    fields.add("n", fmt::format("range(1..={})", limits.max_choices),
               fmt::format("n must not exceed {} (what can be queued), found {}", limits.max_choices, request.n),
               request.n);
  }
  parsed.ignored = fields.unknown();
  parsed.ignored.insert(parsed.ignored.end(), ignored.begin(), ignored.end());
  return parsed;
}

}  // namespace llorch::api
