// Messages to a prompt by a model's chat template.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "chat/jinja_template.hpp"
#include "tokenizer/tokenizer.hpp"

namespace llorch::chat {

/// One message. The role is one of a few words that the caller has checked; the rest is whatever a user wrote.
struct Message {
  std::string role;                ///< system, developer, user, assistant
  std::vector<std::string> parts;  ///< texts, in order; a plain string is one
  std::string name;                ///< empty: none
};

/// What surrounds a template.
struct TemplateFacts {
  std::string origin;  ///< where it comes from: "tokenizer.chat_template of x.gguf", "built-in chatml"
  std::string bos, eos;
  std::vector<std::string> stops;  ///< texts that end an answer, beside the tokens that do
  bool guessed = false;            ///< neither the model nor whoever serves it asked for this format
};

/// Immutable. [any-thread]
class ChatTemplate {
 public:
  /// Parses the template and tries it on a message, to learn whether it takes contents as text or as lists of parts.
  [[nodiscard]] static Result<ChatTemplate> create(std::string source, TemplateFacts facts);

  [[nodiscard]] const TemplateFacts& facts() const { return facts_; }
  /// What was wrong when the template was tried on one message of a user; empty: nothing.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  /// The prompt as text. Errors are the messages' fault (kInvalidArgument: the template refuses them; kUnsupported:
  /// they take it to a limit that a short message does not reach) or the template's (everything else). Roles and
  /// everything else that is not a message's own text count as the template's.
  [[nodiscard]] Result<Text> render(const std::vector<Message>& messages, bool add_generation_prompt,
                                    std::chrono::system_clock::time_point now) const;

 private:
  ChatTemplate(JinjaTemplate parsed, TemplateFacts facts) : template_(std::move(parsed)), facts_(std::move(facts)) {}
  [[nodiscard]] Value message_value(const Message& message) const;
  /// What is wrong with the prompt of one message of that text, and whether a limit was; empty: nothing, it is shown.
  struct Trial {
    std::string problem;
    bool limit = false;
  };
  [[nodiscard]] Trial try_on(std::string_view text) const;

  JinjaTemplate template_;
  TemplateFacts facts_;
  std::string problem_;
  bool always_at_limit_ = false;  // a limit is reached whatever the messages are
  bool wants_parts_ = false;      // contents are lists of {"type": "text", "text": ...}
  bool knows_developer_ = false;  // else a developer's message is a system message
};

/// The prompt's ids. Special tokens are parsed in the template's own text and nowhere in what users wrote. BOS is put
/// before it where the vocabulary's rules say so and the template has not done it. [any-thread]
[[nodiscard]] std::vector<tokenizer::TokenId> encode_chat(const tokenizer::Tokenizer& tokenizer, const Text& prompt);

}  // namespace llorch::chat
