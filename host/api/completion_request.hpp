// The body of POST /v1/completions: OpenAI's fields and the extensions that local servers share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "api/fault.hpp"
#include "sampling/params.hpp"

namespace llorch::api {

/// One prompt: text to be tokenized, or token ids as they are.
using Prompt = std::variant<std::string, std::vector<std::int32_t>>;

struct CompletionRequest {
  std::string model;  ///< any name is accepted; the answer carries the name of the model that runs
  std::vector<Prompt> prompts;
  std::uint32_t max_tokens = 16;  ///< 0 with echo: score the prompt only
  std::uint32_t n = 1;            ///< choices a prompt; choice j samples with seed + j
  bool stream = false;
  bool include_usage = false;
  bool echo = false;
  std::optional<std::uint32_t> logprobs;  ///< set: report logprobs with that many alternatives a token
  sampling::Params sampling;              ///< its seed is set only if has_seed
  bool has_seed = false;
  std::vector<std::string> stop;
  bool ignore_eos = false;
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
