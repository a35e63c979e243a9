// The body of POST /v1/chat/completions.
#pragma once

#include <string_view>
#include <vector>

#include "api/completion_request.hpp"
#include "api/fault.hpp"
#include "api/generation_options.hpp"
#include "chat/chat_template.hpp"

namespace llorch::api {

struct ChatRequest : GenerationOptions {
  std::vector<chat::Message> messages;
  bool has_max_tokens = false;  ///< else what the context has room for
  bool add_generation_prompt = true;
};

/// All faults at once; none of them repeats a message's text. [any-thread]
[[nodiscard]] Parsed<ChatRequest> parse_chat_request(std::string_view body, const CompletionLimits& limits);

}  // namespace llorch::api
