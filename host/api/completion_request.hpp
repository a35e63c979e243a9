// The body of POST /v1/completions: OpenAI's fields and the extensions that local servers share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "api/fault.hpp"
#include "api/generation_options.hpp"

namespace llorch::api {

/// One prompt: text to be tokenized, or token ids as they are.
using Prompt = std::variant<std::string, std::vector<std::int32_t>>;

struct CompletionRequest : GenerationOptions {
  std::vector<Prompt> prompts;
  bool echo = false;  ///< then max_tokens may be 0: score the prompt only
};

/// What the body is checked against.
struct CompletionLimits {
  std::uint32_t vocab_size = 0;
  std::uint32_t max_choices = 128;  ///< prompts * n: more could never be queued
};

/// All faults at once. Fields that are known but have no effect here are faults unless their value is neutral.
/// [any-thread]
[[nodiscard]] Parsed<CompletionRequest> parse_completion_request(std::string_view body, const CompletionLimits& limits);

}  // namespace llorch::api
