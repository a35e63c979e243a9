#include "chat/chat_template.hpp"

#include "chat/printing.hpp"
#include "tokenizer/bos_rule.hpp"

namespace llorch::chat {
namespace {

Value known(std::string_view text) {
  return free_text(text, Origin::kTemplate);
}

Value foreign(std::string_view text) {
  return free_text(text, Origin::kForeign);
}

}  // namespace

Result<ChatTemplate> ChatTemplate::create(std::string source, TemplateFacts facts) {
  const bool knows_developer = source.find("developer") != std::string::npos;
  Result<JinjaTemplate> parsed = JinjaTemplate::parse(std::move(source));
  if (parsed.has_error()) return make_error(parsed.error().code, facts.origin + ": " + parsed.error().message);
  ChatTemplate created(std::move(*parsed), std::move(facts));
  created.knows_developer_ = knows_developer;
  constexpr std::string_view kProbe = "a probe of the template";
  const Trial trial = created.try_on(kProbe);
  if (trial.problem.empty()) return created;
  created.wants_parts_ = true;
  if (created.try_on(kProbe).problem.empty()) return created;
  created.wants_parts_ = false;
  created.problem_ = trial.problem;
  created.always_at_limit_ = trial.limit;
  return created;
}

ChatTemplate::Trial ChatTemplate::try_on(std::string_view text) const {
  const Result<Text> prompt = render({{"user", {std::string(text)}, ""}}, true, {});
  if (prompt.has_error()) {
    const bool refuses = prompt.error().code == ErrorCode::kInvalidArgument;
    return {(refuses ? "it refuses a single message of a user: " : "it cannot render a single message of a user: ") +
                prompt.error().message,
            prompt.error().code == ErrorCode::kUnsupported};
  }
  if (prompt->bytes().find(text) != std::string::npos) return {};
  return {prompt->empty() ? "it makes an empty prompt of a message of a user"
                          : "its prompt of a message of a user does not hold the message",
          false};
}

Value ChatTemplate::message_value(const Message& message) const {
  const bool renamed = message.role == "developer" && !knows_developer_;
  std::vector<std::pair<Value, Value>> entries;
  entries.emplace_back(known("role"), known(renamed ? "system" : message.role));
  if (wants_parts_) {
    std::vector<Value> parts;
    for (const std::string& text : message.parts) {
      std::vector<std::pair<Value, Value>> part;
      part.emplace_back(known("type"), known("text"));
      part.emplace_back(known("text"), foreign(text));
      parts.push_back(free_dict(std::move(part)));
    }
    entries.emplace_back(known("content"), free_list(std::move(parts)));
  } else {
    std::string content;
    for (std::size_t i = 0; i < message.parts.size(); ++i)
      content.append(i == 0 ? "" : "\n").append(message.parts[i]);
    entries.emplace_back(known("content"), foreign(content));
  }
  if (!message.name.empty()) entries.emplace_back(known("name"), foreign(message.name));
  return free_dict(std::move(entries));
}

Result<Text> ChatTemplate::render(const std::vector<Message>& messages, bool add_generation_prompt,
                                  std::chrono::system_clock::time_point now) const {
  std::vector<Value> list;
  list.reserve(messages.size());
  for (const Message& message : messages)
    list.push_back(message_value(message));
  Context context;
  context.emplace_back("messages", free_list(std::move(list)));
  context.emplace_back("add_generation_prompt", add_generation_prompt);
  context.emplace_back("bos_token", known(facts_.bos));
  context.emplace_back("eos_token", known(facts_.eos));
  context.emplace_back("tools", None{});
  context.emplace_back("documents", None{});
  RenderOptions options;
  options.now = now;
  Result<Text> prompt = template_.render(context, options);
  if (prompt.has_error() && prompt.error().code == ErrorCode::kUnsupported && always_at_limit_) {
    return make_error(ErrorCode::kBadModel, prompt.error().message);
  }
  return prompt;
}

std::vector<tokenizer::TokenId> encode_chat(const tokenizer::Tokenizer& tokenizer, const Text& prompt) {
  std::vector<tokenizer::TokenId> ids =
      tokenizer.encode(prompt.bytes(), {.add_special = false, .parse_special = true, .literal = prompt.foreign()});
  // An EOS that the rules put at the end is for whole documents: here the answer follows.
  const std::optional<tokenizer::TokenId> bos = tokenizer::bos_by_rule(tokenizer);
  if (bos && (ids.empty() || ids.front() != *bos)) ids.insert(ids.begin(), *bos);
  return ids;
}

}  // namespace llorch::chat
