// Bodies of /execute, /v1/completions and /v1/chat/completions. What is accepted keeps the limits that it promises;
// what is refused is described in JSON that a strict parser reads.
#include <cstdint>
#include <cstdlib>

#include "api/chat_request.hpp"
#include "api/completion_request.hpp"
#include "api/execute_request.hpp"
#include "api/openai_error.hpp"
#include "base/json.hpp"

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

void check_faults(const std::vector<llorch::api::Fault>& faults) {
  check(llorch::parse_json(llorch::api::faults_json(faults)).has_value());
  check(llorch::parse_json(llorch::api::openai_error(faults).body).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  const auto execute = llorch::api::parse_execute_request(body);
  if (execute.faults.empty()) {
    const auto& request = execute.request;
    check(!request.job_id.empty() && !request.prompt.empty() && request.max_tokens >= 1 && request.max_tokens <= 2048);
    check(request.sampling.temperature >= 0 && request.sampling.temperature <= 2 && request.stop.size() <= 4);
  } else {
    check_faults(execute.faults);
  }
  constexpr llorch::api::CompletionLimits kLimits{1000, 33};
  const auto completion = llorch::api::parse_completion_request(body, kLimits);
  if (completion.faults.empty()) {
    const auto& request = completion.request;
    check(!request.prompts.empty() && request.n >= 1 && request.prompts.size() * request.n <= kLimits.max_choices);
    for (const auto& prompt : request.prompts) {
      const auto* ids = std::get_if<std::vector<std::int32_t>>(&prompt);
      if (ids == nullptr) continue;
      for (const std::int32_t id : *ids) {
        check(id >= 0 && id < 1000);
      }
    }
  } else {
    check_faults(completion.faults);
  }
  const auto chat = llorch::api::parse_chat_request(body, kLimits);
  if (chat.faults.empty()) {
    check(!chat.request.messages.empty() && chat.request.max_tokens >= 1 && chat.request.n <= kLimits.max_choices);
    for (const auto& message : chat.request.messages) {
      check(!message.role.empty() && !message.parts.empty());
    }
  } else {
    check_faults(chat.faults);
  }
  return 0;
}
